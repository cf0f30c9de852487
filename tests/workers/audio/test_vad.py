import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from alignment.types import F32
from workers.audio.vad import MAX_S, PAD_S, VoiceSegmenter
from workers.errors import ModelUnavailable
from workers.types import SAMPLE_RATE_HZ, AudioChunk, VoicedChunk

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

pytest.importorskip("faster_whisper")

Say = Callable[[str], F32]
Silence = Callable[[float], F32]
Cut = Callable[..., list[AudioChunk]]


def segment(chunks: list[AudioChunk]) -> list[VoicedChunk]:
    segmenter = VoiceSegmenter()
    found = [voiced for chunk in chunks for voiced in segmenter.push(chunk)]
    return found + segmenter.flush()


def seconds(chunk: VoicedChunk) -> float:
    return len(chunk.samples) / SAMPLE_RATE_HZ


@pytest.fixture(scope="module")
def dialogue(say: Say, silence: Silence) -> F32:
    """Two sentences three seconds apart, the first from second 2."""
    first, second = say("The coffee machine is broken again."), say("A dog is barking in the garden.")
    return np.concatenate([silence(2), first, silence(3), second, silence(2)])


def test_each_sentence_is_a_chunk_with_tight_times(say: Say, dialogue: F32, cut: Cut) -> None:
    first, second = segment(cut(dialogue, [8000]))
    length = len(say("The coffee machine is broken again.")) / SAMPLE_RATE_HZ
    assert first.start_s + first.lead_s == pytest.approx(2.0, abs=0.15)
    assert first.start_s + seconds(first) - first.trail_s == pytest.approx(2.0 + length, abs=0.15)
    assert second.start_s + second.lead_s == pytest.approx(5.0 + length, abs=0.15)
    assert (first.lead_s, first.trail_s) == pytest.approx((0.3, 0.3))


def test_a_chunk_holds_the_very_samples_of_its_time(dialogue: F32, cut: Cut) -> None:
    for voiced in segment(cut(dialogue, [8000], start_s=50.0)):
        at = round((voiced.start_s - 50.0) * SAMPLE_RATE_HZ)
        np.testing.assert_array_equal(voiced.samples, dialogue[at : at + len(voiced.samples)])


@pytest.mark.parametrize("sizes", [[160], [1024, 3, 7777], [100_000], [10**9]])
def test_chunks_do_not_depend_on_how_the_sound_is_cut(dialogue: F32, sizes: list[int], cut: Cut) -> None:
    expected, got = segment(cut(dialogue, [4096])), segment(cut(dialogue, sizes))
    assert len(got) == len(expected) == 2
    for a, b in zip(expected, got, strict=True):
        assert (a.start_s, a.lead_s, a.trail_s) == (b.start_s, b.lead_s, b.trail_s)
        np.testing.assert_array_equal(a.samples, b.samples)


def test_a_short_pause_does_not_part_a_sentence(say: Say, silence: Silence, cut: Cut) -> None:
    parts = [silence(1), say("The coffee machine"), silence(0.6), say("is broken again."), silence(2)]
    assert len(segment(cut(np.concatenate(parts), [8000]))) == 1


def test_long_speech_is_cut_and_loses_nothing(say: Say, silence: Silence, cut: Cut) -> None:
    sentence = say("The rocket has landed on the moon.")
    speech = np.concatenate([silence(1), *[sentence, silence(0.2)] * 24, silence(2)])
    found = segment(cut(speech, [8000]))
    assert len(found) >= 3
    assert max(map(seconds, found)) <= MAX_S + 2 * PAD_S
    for before, after in pairwise(found):
        assert before.start_s + seconds(before) == pytest.approx(after.start_s, abs=1e-6)
        at = round(after.start_s * SAMPLE_RATE_HZ)
        edge = np.abs(speech[at - 800 : at + 800]).mean()
        assert edge < 0.3 * np.abs(sentence).mean(), "cut inside a word"
    assert found[0].start_s < 1.0
    assert found[-1].start_s + seconds(found[-1]) > len(speech) / SAMPLE_RATE_HZ - 2.3


@pytest.mark.parametrize("kind", ["digital silence", "noise", "loud noise", "tone"])
def test_nothing_voiced_in_what_is_no_voice(kind: str, cut: Cut) -> None:
    n, random = 10 * SAMPLE_RATE_HZ, np.random.default_rng(1)
    sound = {
        "digital silence": np.zeros(n),
        "noise": 0.01 * random.standard_normal(n),
        "loud noise": 0.3 * random.standard_normal(n),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / SAMPLE_RATE_HZ),
    }[kind]
    assert segment(cut(sound.astype(np.float32), [8000])) == []


def test_a_gap_ends_a_chunk_and_later_times_hold(say: Say, silence: Silence) -> None:
    sentence = say("A dog is barking in the garden.")
    segmenter = VoiceSegmenter()
    assert segmenter.push(AudioChunk("cam", 0, 10.0, np.concatenate([silence(1), sentence]))) == []
    (first,) = segmenter.push(AudioChunk("cam", 0, 60.0, np.concatenate([silence(1), sentence])))
    (second,) = segmenter.flush()
    assert first.start_s + first.lead_s == pytest.approx(11.0, abs=0.15)
    assert second.start_s + second.lead_s == pytest.approx(61.0, abs=0.15)


def test_a_new_epoch_ends_a_chunk(say: Say) -> None:
    sentence = say("A dog is barking in the garden.")
    segmenter = VoiceSegmenter(priority=9)
    segmenter.push(AudioChunk("cam", 0, 0.0, sentence))
    found = segmenter.push(AudioChunk("cam", 1, len(sentence) / SAMPLE_RATE_HZ, sentence)) + segmenter.flush()
    assert [(v.camera, v.segment, v.priority) for v in found] == [("cam", 0, 9), ("cam", 1, 9)]


def test_no_chunk_starts_before_the_watermark(dialogue: F32, cut: Cut) -> None:
    segmenter, marks = VoiceSegmenter(), []
    assert segmenter.watermark_s == -np.inf
    for chunk in cut(dialogue, [1600]):
        before = segmenter.watermark_s
        assert all(voiced.start_s >= before for voiced in segmenter.push(chunk))
        marks.append(segmenter.watermark_s)
        assert segmenter.watermark_s >= before
        assert segmenter.watermark_s <= chunk.end_s
    assert max(b - a for a, b in pairwise(marks)) > 1.0, "it waits while someone speaks"
    assert segmenter.flush() == []
    assert segmenter.watermark_s == pytest.approx(len(dialogue) / SAMPLE_RATE_HZ)


def test_speech_up_to_the_very_end_is_not_lost(say: Say, silence: Silence, cut: Cut) -> None:
    sentence = say("The coffee machine is broken again.")
    (voiced,) = segment(cut(np.concatenate([silence(1), sentence]), [8000]))
    assert voiced.start_s + seconds(voiced) >= 1.0 + len(sentence) / SAMPLE_RATE_HZ - 0.1


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper.vad", None)
    with pytest.raises(ModelUnavailable, match=r"watchword\[lite\]"):
        VoiceSegmenter()
