"""A stream neither keeps nor tells again what was forgotten, also while it runs."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignment.aligners.explanation import Explanation
from alignment.aligners.similarity import SimilarityAligner
from alignment.spans.tracker import SpanRule
from alignment.types import EventQuery, Span
from alignment.windows import ClipWindow
from daemon.privacy.stores.evidence import EvidenceData
from daemon.privacy.stores.store import Places
from tests.support.clocks import FakeClock
from tests.support.events import make_event
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from workers.decisions.announcer import Announcer
from workers.decisions.rules import RuleSet
from workers.decisions.segment import Segment
from workers.events.erasures import Erasures, Scope, hashed
from workers.events.evidence import EvidenceStore, pictured_event
from workers.events.explain_picture import ExplanationCard
from workers.events.writer import EventWriter
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.state_layout import StateLayout
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, Utterance


def watch(path: Path, folder: Path) -> tuple[MemorySink, StreamPipeline]:
    encoder, sink = ColourEncoder(), MemorySink()
    camera = CameraSpec("cam", RedactedUrl(str(path)), audio=False)
    description = encoder.describe()
    aligner = SimilarityAligner(description.calibration)
    settings = ServiceSettings(config_hash="cfg", state_dir=folder)
    source = build_source(camera, description.frame_spec)
    services = services_of(encoder, sink, state=StateService.of(settings))
    stream = StreamPipeline(camera, (EventSpec("red", ("red",)),), source, aligner, services, settings)
    stream.run()
    return sink, stream


def test_a_file_that_is_watched_again_tells_all_but_what_was_erased(
    colour_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = colour_video([("grey", 4), ("red", 6), ("grey", 6), ("red", 5), ("grey", 3)])
    sink, _ = watch(path, tmp_path)
    first, second = dict.fromkeys(e.id for e in sink.events)
    for picture in (tmp_path / "evidence" / "cam").glob("*/*"):
        picture.unlink()
    erasures = StateLayout(tmp_path).erasures
    erasures.parent.mkdir()
    Erasures(erasures).add(Scope("cam", 1.0, 2.0), [first])
    again, stream = watch(path, tmp_path)
    assert {e.id for e in again.events} == {second}
    assert {pictured_event(p) for p in (tmp_path / "evidence" / "cam").glob("*/*")} == {second}
    assert stream.snapshot().suppressed == {"forgotten": 1}
    assert first not in erasures.read_text()


def test_live_events_of_the_interval_are_forbidden_also_those_not_yet_known(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    asked = Erasures(path)
    assert not asked.forbids("cam", "a", (100.0, 110.0))
    Erasures(path).add(Scope("cam", 105.0, 120.0), ["b"])
    assert asked.forbids("cam", "a", (100.0, 110.0)), "seen by who has looked before"
    assert not asked.forbids("cam", "a", (121.0, 130.0))
    assert not asked.forbids("other", "a", (100.0, 110.0))
    assert not asked.forbids("cam", "a", None), "times of files are others"
    assert asked.forbids("other", "b", None)
    assert hashed("b") in path.read_text()


WORDS = [{"start": 110.0, "end": 125.0, "text": "a secret", "confidence": 0.9}]


@pytest.mark.parametrize(
    ("live", "words", "since", "until", "covered"),
    [
        (True, WORDS, 105.0, 115.0, True),  # said before it began
        (True, WORDS, 100.0, 109.0, False),
        (True, [], 105.0, 115.0, False),
        (True, [], 105.0, 123.5, True),  # a picture of it may be of a second before
        (True, [], 130.5, 140.0, True),
        (False, WORDS, 105.0, 115.0, False),  # seconds of a file are no times of a day
    ],
)
def test_an_event_is_of_every_moment_that_it_tells_of(
    live: bool, words: list[dict[str, Any]], since: float, until: float, covered: bool
) -> None:
    evidence = {"snapshot": None, "clip": None, "top_frames": [], "words": words}
    event = make_event(camera="cam", start=124.0, end=130.0, live=live, evidence=evidence)
    assert Scope("cam", since, until).covers(event) == covered


def test_a_picture_says_when_its_words_were_said(tmp_path: Path) -> None:
    span = Span("help", 124.0, 130.0, 0.9, False, (0.0, 1.0, 0.0), ((124.0, 0.9),), 0.5)
    why = Explanation((), ((124.0, 0.9),), ((124.0, 0.9),))
    card = ExplanationCard(
        "cam", True, EventSpec("help", ("help",)), span, why, [Utterance(110.0, 125.0, "secret", 0.9, "en")]
    )
    EvidenceStore(StateService(tmp_path / "evidence"), "cam").save("a", card, draw=True)
    pictures = EvidenceData(Places(StateLayout(tmp_path), None, False, lambda ids, before: 0))
    assert pictures.event_ids(Scope("cam", 105.0, 115.0)) == {"a"}
    assert pictures.event_ids(Scope("cam", 131.5, 140.0)) == set()
    assert pictures.event_ids(Scope("cam", 100.0, 109.0)) == set()


def test_words_of_the_interval_are_not_told_by_a_later_event(tmp_path: Path) -> None:
    """Whether it began before or after they were forgotten: it goes on without them, to its end."""
    path, sink = tmp_path / "erasures.jsonl", MemorySink()
    encoder = ColourEncoder().describe()
    curve = encoder.calibration
    row, none = np.array([[1.0, 0.0]], np.float32), np.zeros((0, 2), np.float32)
    query = EventQuery("help", row, none, none, none, np.zeros(3, np.float32), np.array([1, 0, 0], np.float32))
    watch = RuleSet((query,), (SpanRule(min_duration_s=0.3),))
    segment = Segment("live/0", watch, SimilarityAligner(curve), ClipWindow(1.0, 2, 2), live=True)
    writer = EventWriter("cam", True, 1.0, encoder.info, "models", "cfg")
    kept = EvidenceStore(None, "cam")
    specs = (EventSpec("help", ("help",)),)
    announcer = Announcer(specs, writer, sink, kept, FakeClock(), threading.Event(), StateService(erasures=path))
    segment.start_at(100.0)
    nothing = np.zeros((23, 2), np.float32)
    announcer.announce(segment.add_frames(np.arange(100.0, 123.0), nothing), segment)
    said = [Utterance(t, t + 14.0, text, 0.9, "en") for t, text in ((110.0, "a secret"), (124.0, "heard"))]
    announcer.announce(segment.add_utterances(said, np.zeros((2, 2), np.float32)), segment)
    Erasures(path).add(Scope("cam", 105.0, 115.0), [])
    announcer.announce(segment.add_frames(np.arange(123.0, 130.0), row.repeat(7, 0)), segment)
    announcer.announce(segment.finish(130.0), segment)
    assert [e.type for e in sink.events][:: len(sink.events) - 1] == ["new", "end"]
    assert {w.text for e in sink.events for w in e.evidence.words} == {"heard"}


def test_damage_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    Erasures(path).add(Scope("cam", 1.0, 2.0), ["a"])
    path.write_text("{torn\n" + path.read_text())
    Erasures(path).add(Scope("cam", 5.0, 6.0), ["b"])
    again = Erasures(path)
    assert again.forbids("x", "a", None)
    assert again.forbids("cam", "c", (5.5, 5.6))


@pytest.mark.parametrize("name", ["../door", "", "a/b", "door\n"])
def test_a_scope_has_the_name_of_a_camera(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Scope(name, 0.0, 1.0)
