import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from alignment.aligners.explanation import Explanation, SeenObject
from alignment.types import Span, SpanChange
from tests.support.events import make_event, make_live, validate_body
from workers.detectors.classes import NAMES
from workers.events.event import SCHEMA_VERSION, Event, SourceFile
from workers.events.evidence import Pictures
from workers.events.explain_picture import ExplanationCard
from workers.events.schema import event_schema
from workers.events.writer import EventContext, EventWriter
from workers.types import EventSpec, ModelInfo, Utterance, Verify


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(event_schema())
    assert event_schema()["properties"]["schema"]["const"] == SCHEMA_VERSION


def test_a_whole_body_of_a_file_and_of_a_live_stream() -> None:
    body = make_event().to_document()
    validate_body(body)
    live = {
        "live": True,
        "start_unix": 1767323045.5,
        "end_unix": 1767323046.5,
        "start_time": "2026-01-02T03:04:05.500Z",
        "end_time": "2026-01-02T03:04:06.500+00:00",
        "latency_s": 0.8,
    }
    validate_body(body | live)
    validate_body(body | {"added_later": 1})


@pytest.mark.parametrize("live", [True, False])
def test_what_the_daemon_writes_fits(live: bool) -> None:
    track = tuple((1767323045.1234567 + n, n / 74) for n in range(75))
    span = Span("cat", track[0][0], track[-1][0], 1.0, open=False, shares=(0.5, 0.25, 0.25), track=track)
    model = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
    spoken = Utterance(1767323046.0, 1767323047.0, "救命", 0.9, "zh")
    seen = SeenObject(track[0][0], NAMES.index("cat"), 0.91234567, (-0.01, 0.25, 0.5, 1.0))
    why = Explanation((("cat", 1.0),), track, track[:2], (seen,))
    card = ExplanationCard("door", live, EventSpec("cat", ("a cat",)), span, why, (spoken,))
    source = None if live else SourceFile(file="gate/a.mp4", name="a.mp4", sha256="0f" * 32, duration=90.5)
    moment = EventContext(1767323120.0, 0.25 if live else None, card, Pictures("snapshots/1.jpg", None), source)
    writer = EventWriter("door", live, 0.5, model, "lite/x@1 similarity", "0123abcd", NAMES)
    event = writer.write(SpanChange("end", track[0][0], 3, span), "f00d:0", moment)
    validate_body(event.to_document())
    assert Event.from_json(event.to_json()) == event
    assert event.evidence.words[0].text == "救命"
    assert event.evidence.attention == (("cat", 1.0),)
    (detected,) = event.evidence.objects
    assert (detected.name, detected.score, detected.box) == ("cat", 0.9123, (0.0, 0.25, 0.5, 1.0))
    assert (event.start_time is None) != live
    assert event.source == source
    assert not {"verification", "caption", "amendments"} & event.to_document().keys()
    late = writer.write(SpanChange("update", track[0][0], 4, span), "f00d:0", moment)  # a transcript came late
    assert (late.type, late.revision) == ("end", 4)
    reopened = writer.write(SpanChange("update", track[0][0], 5, replace(span, open=True)), "f00d:0", moment)
    assert reopened.type == "update"


def test_an_event_that_shall_be_verified_says_that_it_waits_and_which_budget_held() -> None:
    spec = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1.0, verify=Verify("hold", "alert", 4.0))
    span = Span("cat", 1.0, 2.0, 0.9, open=True, shares=(1.0, 0.0, 0.0), track=())
    card = ExplanationCard("door", True, spec, span, Explanation((), (), ()), ())
    model = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
    writer = EventWriter("door", True, 1.0, model, "lite/x@1 similarity", "0123abcd")
    event = writer.write(SpanChange("new", 1.0, 0, span), "0", EventContext(2.0, 0.5, card, Pictures(None, None)))
    document = event.to_document()
    validate_body(document)
    assert document["verification"] == {"verdict": "pending", "policy": "hold", "fallback": "alert"}
    assert (event.rule.max_false_alerts_per_hour, event.rule.budget_per_hour) == (4.0, 1.0)
    more = replace(card, spec=replace(spec, verify=Verify("hold", "alert", 4.0, ("a cat jumps",))))
    event = writer.write(SpanChange("new", 1.0, 0, span), "0", EventContext(2.0, 0.5, more, Pictures(None, None)))
    validate_body(event.to_document())
    assert event.verification is not None
    assert event.verification.description == ("a cat jumps",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", 2),
        ("type", "closed"),
        ("revision", -1),
        ("revision", 0.5),
        ("id", ""),
        ("score", 1.01),
        ("start_time", "yesterday"),
        ("produced_at", None),
        ("produced_at", "2026-01-02T03:04:05+08:00"),
        ("description", "a cat"),
        ("score_track", [[0.0, 0.5]] * 76),
        ("score_track", [[0.0, 0.5, 0.5]]),
        ("score_track", [[0.0]]),
        ("modalities", {"vision": 2}),
        ("source", "a.mp4"),
        ("source", {"file": "a.mp4", "name": "a.mp4", "sha256": "0f", "duration": None}),
        ("source", {"file": "a.mp4", "name": "a.mp4", "sha256": None, "duration": -1}),
        ("evidence", {"snapshot": None, "clip": None, "top_frames": []}),
        ("evidence", {"snapshot": None, "clip": None, "top_frames": [], "words": [], "attention": [["cat", 2.0]]}),
        ("evidence", {"snapshot": None, "clip": None, "top_frames": [], "words": [{"text": "hi"}]}),
    ],
)
def test_broken_bodies(name: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate_body(make_event().to_document() | {name: value})


@pytest.mark.parametrize("name", sorted(make_event().to_document().keys() - {"rule"}))  # which older bodies have not
def test_nothing_may_be_missing(name: str) -> None:
    body = make_event().to_document()
    del body[name]
    with pytest.raises(jsonschema.ValidationError):
        validate_body(body)


FIRST = json.loads(Path(__file__).with_name("schema_1.json").read_text(encoding="utf-8"))
PROSE = {"description", "title", "$id"}


def lost(before: Any, now: Any, path: str = "") -> list[str]:
    """Return where a schema of the same number takes something away from readers, or changes it."""
    if isinstance(before, dict) and isinstance(now, dict):
        named = path.endswith(("/properties", "/$defs"))  # names of fields, not keywords
        keys = [k for k in before if named or k not in PROSE]
        return [w for k in keys for w in (lost(before[k], now[k], f"{path}/{k}") if k in now else [f"{path}/{k}"])]
    if path.endswith("/required"):
        return [f"{path}/{name}" for name in sorted(set(before) - set(now))]
    return [] if before == now else [path]


def test_the_schema_only_adds_to_what_was_first_published_under_its_number() -> None:
    assert lost(FIRST, event_schema()) == []


def test_what_was_published_is_read_and_what_is_written_fits_the_first_schema() -> None:
    for event in (make_event(), make_live(), make_live(type="end", revision=1).interrupted_at(1767323045.0)):
        jsonschema.validate(event.to_document(), FIRST, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda s: s["properties"].pop("segment"), "/properties/segment"),
        (lambda s: s["properties"].pop("description"), "/properties/description"),
        (lambda s: s["required"].remove("latency_s"), "/required/latency_s"),
        (lambda s: s["properties"]["score"].update(maximum=100), "/properties/score/maximum"),
        (lambda s: s["properties"]["live"].update(type="string"), "/properties/live/type"),
        (lambda s: s["properties"]["type"]["enum"].append("cancel"), "/properties/type/enum"),
        (lambda s: s["$defs"]["Word"]["properties"].pop("text"), "/$defs/Word/properties/text"),
    ],
)
def test_what_takes_away_is_found(change: Callable[[dict[str, Any]], object], where: str) -> None:
    now = event_schema()
    change(now)
    assert lost(FIRST, now) == [where]
    added = event_schema()
    added["properties"]["clips"] = {"type": "array"}
    added["required"].append("clips")
    added["properties"]["score"]["description"] = "Better prose."
    assert lost(FIRST, added) == []
