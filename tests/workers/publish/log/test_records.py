"""A row is what it was when it was written, or it is none."""

from dataclasses import replace

import pytest

from tests.support.events import make_event
from workers.publish.log.records import COLUMNS, Record, checksum, from_row, is_whole, to_row

RECORD = Record(2, 1.0, make_event(1, text="é — 猫"))


def test_a_row_is_read_back() -> None:
    assert from_row(to_row(RECORD)) == RECORD


@pytest.mark.parametrize("place", range(len(COLUMNS)))
@pytest.mark.parametrize("value", [None, 7, "x", b"\xff", 1e300])
def test_a_row_in_which_one_value_has_changed_is_damaged(place: int, value: object) -> None:
    row = list(to_row(RECORD))
    if row[place] != value:
        row[place] = value
        assert not is_whole(tuple(row))
        assert from_row(tuple(row)) is None


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "\ufffd", ""])
def test_a_row_whose_checksum_fits_what_is_no_json_is_damaged(body: str) -> None:
    *head, _, _ = to_row(RECORD)
    assert from_row((*head, body, checksum((*head, body)))) is None


def test_numbers_without_a_point_are_kept_as_numbers() -> None:
    event = make_event(1, start=1, end=2, score=1)
    record = from_row(to_row(replace(RECORD, event=event, at=5)))
    assert record == replace(RECORD, event=event, at=5)
