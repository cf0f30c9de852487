"""Verdicts and captions that are added to events: one number for each document, whatever the stream goes on to tell."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.events import make_live, validate_body
from tests.support.recorded.event_log import opened, residue
from workers.errors import EventLogFull
from workers.events.event import Caption, Event, Verification
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView

CONFIRMED = Verification(verdict="confirmed", policy="hold", fallback="alert", confidence=0.9, why="A cat sits there.")
REJECTED = CONFIRMED.model_copy(update={"verdict": "rejected"})
PENDING = Verification(verdict="pending", policy="hold", fallback="alert")
CAPTION = Caption(text="A cat on a table.", attributes=("grey",), language="en", model="m", prompt="1")


def told(folder: Path, event: Event) -> list[tuple[int, str, str | None]]:
    records = LogView(folder).revisions(event.id)
    for record in records:
        validate_body(record.event.to_document())
    return [
        (r.event.revision, r.event.type, r.event.verification.verdict if r.event.verification else None)
        for r in records
    ]


def revision(number: int, kind: str, event: int = 1) -> Event:
    return make_live(event, type=kind, revision=number, verification=PENDING.model_dump())


def test_a_verdict_is_a_revision_and_stays_with_all_that_follow(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([revision(0, "new")])
        first = log.amend(make_live(1).id, CONFIRMED)
        assert first is not None
        assert (first.revision, first.type, first.amendments) == (1, "update", (1,))
        log.append([revision(1, "update"), revision(2, "end")])
        last = log.amend(make_live(1).id, caption=CAPTION)
        assert last is not None
        assert (last.verification, last.caption, last.amendments) == (CONFIRMED, CAPTION, (1, 4))
        log.append([revision(3, "update")])  # a transcript came late
    assert told(tmp_path, make_live(1)) == [
        (0, "new", "pending"),
        (1, "update", "confirmed"),
        (2, "update", "confirmed"),
        (3, "end", "confirmed"),
        (4, "end", "confirmed"),
        (5, "update", "confirmed"),
    ]


def test_what_is_known_already_is_not_added_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([revision(0, "new")])
        assert log.amend(make_live(1).id, CONFIRMED) == log.amend(make_live(1).id, CONFIRMED)
        changed = log.amend(make_live(1).id, REJECTED)
        assert changed is not None
        assert (changed.revision, changed.amendments) == (2, (1, 2))


def test_an_event_that_is_not_there_cannot_be_amended(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([revision(0, "new"), revision(0, "new", event=2)])
        log.amend(make_live(1).id, CONFIRMED)
        assert log.erase(frozenset({make_live(1).id})) == 2
        assert residue(tmp_path, make_live(1).id) == []
        assert log.amend(make_live(1).id, CONFIRMED) is None
        assert log.amend("unknown", CONFIRMED) is None
    assert told(tmp_path, make_live(2)) == [(0, "new", "pending")]


def test_an_amended_event_that_was_left_open_ends_with_its_verdict_and_takes_another(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([revision(0, "new")])
        log.amend(make_live(1).id, CONFIRMED)
    with opened(tmp_path) as (log, _):
        (end,) = log.end_open()
        assert (end.revision, end.type, end.verification) == (2, "end", CONFIRMED)
        again = log.amend(make_live(1).id, caption=CAPTION)
        assert again is not None
        assert (again.revision, again.type, again.interrupted) == (3, "end", True)
        assert log.append([revision(1, "update")]) == (None,)  # of the stream that was given up
        assert log.end_open() == ()


def test_an_amendment_that_has_no_room_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=120_000) as (log, _):
        log.append([revision(0, "new")])
        before = told(tmp_path, make_live(1))
        with pytest.raises(EventLogFull):
            log.amend(make_live(1).id, CONFIRMED.model_copy(update={"why": "x" * 120_000}))
        assert told(tmp_path, make_live(1)) == before


STEPS = ("stream", "stream", "stream", "again", "verdict", "caption", "reopen", "stream dies", "erase")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=["stream", "stream", "again", "stream", "stream dies"])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
def test_numbers_rise_by_one_and_what_is_watched_again_has_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log, event_id = EventLog(folder), make_live(1).id
    numbers: dict[int, int] = {}  # of the stream's revisions, in the log
    amended, ends, following = list[int](), list[int](), 0
    said: tuple[Verification | None, Caption | None] = (None, None)
    for step, what in enumerate(steps):
        following_number = max([*numbers.values(), *amended, *ends], default=-1) + 1
        match what:
            case "reopen":
                log.close()
                log = EventLog(folder)
            case "again":
                following = 0
            case "erase":
                log.erase(frozenset({event_id}))
                numbers, amended, ends, following, said = {}, [], [], 0, (None, None)
            case "stream dies":
                found = log.end_open()
                assert len(found) == (1 if numbers and not ends else 0)
                ends += [end.revision for end in found]
                assert [end.revision for end in found] == [following_number] * len(found)
            case "stream":
                (seq,) = log.append([revision(following, "update" if following else "new")])
                assert (seq is None) == bool(ends)
                if ends:
                    continue
                last = LogView(folder).revisions(event_id)[-1].event
                assert last.revision == numbers.setdefault(following, last.revision)
                assert last.stream_revision == following
                assert (last.verification, last.caption) == (said[0] or PENDING, said[1])
                following += 1
            case _ if numbers:
                why = CONFIRMED.model_copy(update={"why": f"{step}"})
                caption = CAPTION.model_copy(update={"text": f"{step}"})
                said = (why, said[1]) if what == "verdict" else (said[0], caption)
                one = log.amend(event_id, *((why,) if what == "verdict" else (None, caption)))
                assert one is not None
                amended.append(one.revision)
                assert (one.revision, one.amendments) == (following_number, tuple(amended))
                assert (one.verification, one.caption) == (said[0] or PENDING, said[1])
            case _:
                assert log.amend(event_id, CONFIRMED) is None
        taken = sorted([*numbers.values(), *amended, *ends])
        assert taken == list(range(len(taken)))
    log.close()
