"""Rules over time on the events of a file: decided at its end, by what was seen until then."""

from pathlib import Path
from typing import Any

from alignment.aligners.similarity import SimilarityAligner
from alignment.temporal.rule import TemporalRule
from daemon.config.when import parse_when
from tests.support.events import validate_body
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of, write_colours
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec

SCENES = [("grey", 4.0), ("red", 6.0), ("grey", 6.0), ("blue", 6.0), ("grey", 20.0)]
SPECS = (EventSpec("red", ("red",)), EventSpec("blue", ("blue",)))


def watch(path: Path, **rules: str) -> tuple[list[Event], Any]:
    from alignment.temporal.expressions import bind

    over_time = tuple(
        TemporalRule(name, "film", bind(parse_when(text).expression, "film"), text) for name, text in rules.items()
    )
    camera = CameraSpec("film", RedactedUrl(str(path)), 1.0, audio=False, results=True, over_time=over_time)
    encoder, sink = ColourEncoder(), MemorySink()
    source = build_source(camera, encoder.describe().frame_spec)
    aligner = SimilarityAligner(encoder.describe().calibration)
    pipeline = StreamPipeline(camera, SPECS, source, aligner, services_of(encoder, sink), ServiceSettings())
    pipeline.run()
    return [e for e in sink.events if e.event in rules], pipeline.snapshot().results


def test_a_file_has_events_of_its_events(tmp_path: Path) -> None:
    path = write_colours(tmp_path / "film.mp4", SCENES)
    rules = {"soon": "red then blue within 10s", "late": "red then blue within 3s", "back": "blue then red within 60s"}
    events, results = watch(path, **rules, alone="blue then no red for 15s", rest="blue then no red for 30s")
    found = {event.event: event for event in events}
    assert sorted((e.event, e.type, e.revision) for e in events) == [
        ("alone", "end", 1),
        ("alone", "new", 0),
        ("soon", "end", 1),
        ("soon", "new", 0),
    ]  # nobody knows what there was after its end
    soon = found["soon"]
    assert [(p.event, round(p.start), round(p.end)) for p in soon.parts] == [("red", 4, 10), ("blue", 16, 22)]
    assert (soon.live, soon.camera, round(soon.start), round(soon.end)) == (False, "film", 4, 22)
    assert soon.source is not None
    assert soon.source.name == "film.mp4"
    assert [event.event for event in results.events] == ["red", "soon", "blue", "alone"]
    for event in events:
        validate_body(event.to_document())
    again, _ = watch(path, **rules, alone="blue then no red for 15s")
    assert [event.id for event in again] == [event.id for event in events]
