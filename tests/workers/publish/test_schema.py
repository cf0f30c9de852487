import jsonschema
import pytest
from publish_kit import make_event, validate_body

from alignment.explaining import Explanation
from alignment.types import Span, SpanChange
from workers.events import EventWriter, Moment
from workers.evidence import Pictures
from workers.explain_picture import Sheet
from workers.publish.schema import SCHEMA_VERSION, event_schema
from workers.types import EventSpec, ModelInfo, Utterance


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(event_schema())
    assert event_schema()["properties"]["schema"]["const"] == SCHEMA_VERSION


def test_a_whole_body_of_a_file_and_of_a_live_stream() -> None:
    body = make_event().body
    validate_body(body)
    live = {
        "live": True,
        "start_epoch": 1767323045.5,
        "end_epoch": 1767323046.5,
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
    why = Explanation((("cat", 1.0),), track, track[:2])
    sheet = Sheet("door", live, EventSpec("cat", ("a cat",)), span, why, (spoken,))
    moment = Moment(1767323120.0, 0.25 if live else None, sheet, Pictures("snapshots/1.jpg", None))
    writer = EventWriter("door", live, 0.5, model, "0123abcd")
    event = writer.write(SpanChange("end", track[0][0], 3, span), "f00d:0", moment)
    validate_body(event.body)
    assert event.body["evidence"]["words"][0]["text"] == "救命"
    assert event.body["evidence"]["attention"] == [["cat", 1.0]]
    assert (event.body["start_time"] is None) != live


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
        ("evidence", {"snapshot": None, "clip": None, "top_frames": []}),
        ("evidence", {"snapshot": None, "clip": None, "top_frames": [], "words": [], "attention": [["cat", 2.0]]}),
        ("evidence", {"snapshot": None, "clip": None, "top_frames": [], "words": [{"text": "hi"}]}),
    ],
)
def test_broken_bodies(name: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate_body(make_event().body | {name: value})


@pytest.mark.parametrize("name", sorted(make_event().body.keys() - {"rule"}))  # which older bodies have not
def test_nothing_may_be_missing(name: str) -> None:
    body = dict(make_event().body)
    del body[name]
    with pytest.raises(jsonschema.ValidationError):
        validate_body(body)
