from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from alignment.types import F32, SOUND_CLASSES, EventQuery
from tests.support.models.aligners import make_query
from workers.audio import vad
from workers.audio.analyser import AudioAnalyser
from workers.decisions.preparation import audio_analyser
from workers.decisions.rules import RuleSet
from workers.queries.sounds import sound_weights
from workers.redaction import RedactedUrl
from workers.types import AudioChunk, CameraSpec, SourceInfo

CAMERA, INFO = CameraSpec("cam", RedactedUrl("a.mp4")), SourceInfo("key", False, True, True)
SEE, SAY, HEAR = (np.eye(3, dtype=np.float32)[i] for i in range(3))

pytestmark = pytest.mark.timeout(60)  # loads models


def run(analysing: AudioAnalyser, chunks: list[AudioChunk]) -> tuple[int, int, float]:
    """Return the numbers of voiced chunks and of rows of sounds, and up to where speech is settled."""
    found = [analysing.add(chunk) for chunk in chunks]
    last = found[-1].settled_s
    found.append(analysing.flush())
    return sum(len(f.voiced) for f in found), sum(len(f.tags.t) for f in found if f.tags is not None), last


def test_only_what_events_ask_for_is_analysed(
    say: Callable[[str], F32], cut: Callable[..., list[AudioChunk]], monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = cut(say("The coffee machine is broken again."), [8000])
    voiced, rows, _ = run(AudioAnalyser(5), chunks)
    assert voiced
    assert rows
    assert run(AudioAnalyser(5, sounds=False), chunks)[:2] == (voiced, 0)
    monkeypatch.setattr(vad, "SileroVad", None)  # would fail
    assert run(AudioAnalyser(5, speech=False), chunks) == (0, rows, chunks[-1].end_s)


def asks(prior: F32, *heard: str) -> EventQuery:
    query = make_query(np.random.default_rng(0), 0)
    return replace(query, prior=prior, sound=sound_weights(heard) if heard else np.zeros(SOUND_CLASSES, np.float32))


def test_a_stream_analyses_what_one_of_its_events_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[bool, bool]] = []
    monkeypatch.setattr(
        "workers.decisions.preparation.AudioAnalyser", lambda _, speech, sounds: made.append((speech, sounds))
    )
    for queries in (
        [asks(SEE)],
        [asks(SEE, "a dog is heard")],  # switched off by its modalities
        [asks(HEAR, "the sound of a dragonfruit")],
        [asks(SEE), asks(SAY)],
        [asks(SEE), asks(HEAR, "a siren")],
        [asks(SAY), asks(HEAR, "a siren")],
    ):
        audio_analyser(CAMERA, INFO, RuleSet(tuple(queries), ()), transcribes=True)
    audio_analyser(CAMERA, replace(INFO, has_audio=False), RuleSet((asks(HEAR, "a siren"),), ()), transcribes=True)
    assert made == [(True, False), (False, True), (True, True)]
