"""Ids: the same occurrence, the same id; another occurrence, another id."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alignment.spans.identity import event_id

FIELDS = ("front", "abc/0", "cat", "v1", 12.0, 1.0, "lite")


def test_a_refined_start_keeps_the_id_within_its_hop() -> None:
    assert event_id(*FIELDS) == event_id("front", "abc/0", "cat", "v1", 12.3, 1.0, "lite")
    assert event_id(*FIELDS) != event_id("front", "abc/0", "cat", "v1", 13.0, 1.0, "lite")


def test_two_occurrences_between_two_rare_frames_are_two() -> None:
    ids = {event_id("front", "abc/0", "cat", "v1", opened, 10.0, "lite") for opened in (6.2, 10.1, 14.0)}
    assert len(ids) == 3


@given(st.text(), st.text())
def test_fields_do_not_run_into_each_other(a: str, b: str) -> None:
    if "\x1f" not in a + b and a:
        assert event_id(a, b, *FIELDS[2:]) != event_id("", a + b, *FIELDS[2:])


def test_every_field_counts() -> None:
    others: tuple[Any, ...] = ("back", "abc/1", "dog", "v2", 50.0, 0.5, "clip")
    changed: list[Any] = [(*FIELDS[:i], others[i], *FIELDS[i + 1 :]) for i in range(len(FIELDS))]
    ids = {event_id(*fields) for fields in changed}
    assert len(ids | {event_id(*FIELDS)}) == len(FIELDS) + 1
