"""The event that a rule over time makes: of its parts, and forgotten with any of them."""

from alignment.temporal.expressions import Ref, Then
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Change, Occurrence
from tests.support.events import make_live, validate_body
from workers.events.composing import CompositeWriter, part_of
from workers.events.erasures import Scope
from workers.events.event import Event

RULE = TemporalRule("bark", "gate", Then(Ref("gate", "person"), Ref("yard", "dog"), 60.0), "…", 7)
PERSON = make_live(1, camera="gate", event="person", start=1000.0, end=1010.0, type="end", score=0.9)
DOG = make_live(2, camera="yard", event="dog", start=1030.0, end=1031.0, score=0.6, text="woof")


def made(known: tuple[Event, ...] = (PERSON, DOG), **changes: float) -> Event:
    parts = part_of(PERSON), part_of(DOG)
    found = Occurrence(("then0", PERSON.id), 1000.0, 1030.0, changes.get("end", 1031.0), True, parts)
    return CompositeWriter(RULE, "c0ffee").write(Change("new", found), 0, {e.id: e for e in known}, 1040.0)


def test_it_says_what_it_is_made_of_and_has_their_evidence() -> None:
    event = made()
    validate_body(event.to_document())
    assert (event.id, event.camera, event.cameras, event.priority) == (
        RULE.id_of(("then0", PERSON.id)),
        "gate",
        ("gate", "yard"),
        7,
    )
    assert event.description == ("person on gate, then dog on yard that begins at most 1 min after it has ended",)
    assert [(part.id, part.camera, part.event) for part in event.parts] == [
        (PERSON.id, "gate", "person"),
        (DOG.id, "yard", "dog"),
    ]
    assert (event.score, event.latency_s) == (0.6, 10.0)
    assert [word.text for word in event.evidence.words] == ["help me", "woof"]
    assert event.modalities == {"vision": 0.75, "speech": 0.25, "sound": 0.0}
    assert Event.from_json(event.to_json()) == event


def test_a_part_that_the_log_has_let_go_is_named_all_the_same() -> None:
    event = made(known=(DOG,))
    assert [(part.id, part.score) for part in event.parts] == [(PERSON.id, 0.0), (DOG.id, 0.6)]
    assert event.score == 0.6
    assert made(known=()).score == 1.0


def test_an_open_event_does_not_end_in_the_future() -> None:
    assert made(end=2000.0).end == 1040.0


def test_forgetting_a_part_forgets_the_event() -> None:
    event = made()
    assert Scope("yard", 1029.0, 1030.0).covers(event)
    assert Scope("gate", 900.0, 1000.0).covers(event)
    assert not Scope("yard", 900.0, 1000.0).covers(event)
    assert not Scope("hall", 0.0, 2000.0).covers(event)
