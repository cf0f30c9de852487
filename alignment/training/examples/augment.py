"""Augmentation of samples, chosen by name: changed streams and descriptions with labels that stay correct.

Each augmentation takes a sample (mixes take two) and a random generator, and returns a new sample; its labels are
adjusted to the change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from alignment.aligners.trained.batches import Sample
from alignment.options import OptionError, choose
from alignment.training.examples.data import Batches
from alignment.types import F32, F64, Bools, EventQuery, FeatureWindow
from alignment.vectors import unit_rows

Augmentation = Callable[[Sample, np.random.Generator], Sample]
Mix = Callable[[Sample, Sample, np.random.Generator], Sample]

KEPT = (0.5, 1.0)  # share of the clips that a crop keeps
SPEED = (0.8, 1.25)  # factor of the duration of a stretched stream
DROPPED_FRAMES = 0.15
DROPPED_WORDS = 0.25
NOISE = 0.3  # norm of the noise added to rows of unit length
BLENDED = (0.1, 0.4)  # share of the other stream in a blend


def time_crop(sample: Sample, rng: np.random.Generator) -> Sample:
    """Keep a random contiguous part of the clips, from half of them to all."""
    clips = len(sample.window.bounds)
    kept = max(1, round(clips * rng.uniform(*KEPT)))
    start = int(rng.integers(0, clips - kept + 1))
    return _cut(sample, start, start + kept)


def time_jitter(sample: Sample, rng: np.random.Generator) -> Sample:
    """Stretch the stream in time by 0.8 to 1.25: clips are repeated or skipped; times and windows are adjusted."""
    w, factor = sample.window, rng.uniform(*SPEED)
    clips = len(w.bounds)
    source = np.minimum(((np.arange(max(1, round(clips * factor))) + rng.uniform()) / factor).astype(int), clips - 1)
    edges = np.append(w.bounds[:, 0], w.bounds[-1, 1])
    hop = (edges[-1] - edges[0]) / clips
    slower = edges[0] + hop * factor * np.arange(clips + 1)  # new time of each old edge

    def moved(t: F64) -> F64:
        """Return times on the changed axis."""
        return np.asarray(np.interp(t, edges, slower), np.float64)

    starts = edges[0] + hop * np.arange(len(source) + 1)
    window = replace(_rows(w, source), bounds=np.stack([starts[:-1], starts[1:]], 1), speech_t=moved(w.speech_t))
    return _cut(replace(sample, window=window, relevant=moved(sample.relevant)), 0, min(clips, len(source)))


def frame_dropout(sample: Sample, rng: np.random.Generator) -> Sample:
    """Drop 15 % of the frames, as a bad network does."""
    return replace(
        sample, window=_without_frames(sample.window, rng.random(len(sample.window.bounds)) < DROPPED_FRAMES)
    )


def token_dropout(sample: Sample, rng: np.random.Generator) -> Sample:
    """Drop a quarter of the description's words, never all (word dropout, Iyyer et al. 2015)."""
    q = sample.query
    kept = rng.random(len(q.words)) >= DROPPED_WORDS
    if not kept.any():
        return sample

    def chosen(rows: F32) -> F32:
        """Return the rows of the words that are kept."""
        return rows[kept] if len(rows) == len(kept) else rows

    words = tuple(word for word, keep in zip(q.words, kept, strict=True) if keep)
    query = replace(q, words=words, vision_words=chosen(q.vision_words), speech_words=chosen(q.speech_words))
    return replace(sample, query=query)


def noise(sample: Sample, rng: np.random.Generator) -> Sample:
    """Add noise to the embeddings of frames and utterances: x + 0.3·n, n a random unit vector, then normalise."""
    w = sample.window
    frames = np.where(w.frame_mask[:, None], _turned(w.frames, rng), w.frames)
    return replace(sample, window=replace(w, frames=frames, speech=_turned(w.speech, rng)))


def modality_dropout(sample: Sample, rng: np.random.Generator) -> Sample:
    """Drop one modality, but not the main modality of the description (Neverova et al. 2015)."""
    w = sample.window
    others = [m for m in range(3) if m != int(np.argmax(sample.query.prior))]
    lost = others[int(rng.integers(2))]
    if lost == 0:
        return replace(sample, window=_without_frames(w, np.ones(len(w.bounds), bool)))
    if lost == 1:
        return replace(sample, window=replace(w, speech=w.speech[:0], speech_t=w.speech_t[:0]))
    return replace(sample, window=replace(w, sound=np.zeros_like(w.sound), sound_mask=np.zeros_like(w.sound_mask)))


def splice(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """Cut from one stream to another, keeping the length and the description of the first (CutMix, Yun et al. 2019).

    The true windows of the other stream count only if its description is the same. So the streams of the two samples
    must not show each other's events without being annotated.
    """
    clips = len(sample.window.bounds)
    tail = min(len(other.window.bounds), clips - 1)
    if tail < 1:
        return sample
    taken = int(rng.integers(1, tail + 1))
    start = int(rng.integers(0, len(other.window.bounds) - taken + 1))
    head, rest = _cut(sample, 0, clips - taken), _cut(other, start, start + taken)
    shift = head.window.bounds[-1, 1] - rest.window.bounds[0, 0]
    relevant = rest.relevant + shift if _same(sample.query, other.query) else rest.relevant[:0]
    return replace(
        head, window=_joined(head.window, rest.window, shift), relevant=np.concatenate([head.relevant, relevant])
    )


def blend(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """Blend 10 to 40 % of another stream's frames into the first (mixup, Zhang et al. 2018); labels do not change."""
    w, share = sample.window, rng.uniform(*BLENDED)
    n = min(len(w.frames), len(other.window.frames))
    both = w.frame_mask[:n] & other.window.frame_mask[:n]
    frames = w.frames.copy()
    frames[:n][both] = unit_rows((1 - share) * w.frames[:n][both] + share * other.window.frames[:n][both])
    return replace(sample, window=replace(w, frames=frames))


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "time_crop": time_crop,
    "time_jitter": time_jitter,
    "frame_dropout": frame_dropout,
    "token_dropout": token_dropout,
    "noise": noise,
    "modality_dropout": modality_dropout,
}
MIXES: Mapping[str, Mix] = {"splice": splice, "blend": blend}


class Augmenter:
    """Applies augmentations to samples in the given order, each with its own probability."""

    def __init__(self, probabilities: Mapping[str, float]) -> None:
        """Raise ``OptionError`` for unknown names and numbers outside 0 to 1."""
        for name, p in probabilities.items():
            choose("augmentation", name, {**AUGMENTATIONS, **MIXES})
            if not 0 <= p <= 1:
                raise OptionError(f"augmentation {name!r} has probability {p}", "give a number from 0 to 1")
        self._probabilities = dict(probabilities)

    def __call__(self, samples: Sequence[Sample], rng: np.random.Generator) -> list[Sample]:
        """Return one augmented sample per sample; a mix takes its second stream from the same list."""
        return [self._one(sample, samples, rng) for sample in samples]

    def _one(self, sample: Sample, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        for name, p in self._probabilities.items():
            if rng.random() >= p:
                continue
            if name in MIXES:
                sample = MIXES[name](sample, samples[int(rng.integers(len(samples)))], rng)
            else:
                sample = AUGMENTATIONS[name](sample, rng)
        return sample


def augmented(batches: Batches, augmenter: Augmenter, seed: int) -> Batches:
    """Return augmented batches; the same step gives the same samples."""
    return lambda step: augmenter(batches(step), np.random.default_rng([seed, step]))


def _rows(w: FeatureWindow, chosen: slice | np.ndarray[tuple[int], np.dtype[np.int64]]) -> FeatureWindow:
    """Return the window with the rows and bounds of the chosen clips; utterances are not changed."""
    return replace(
        w,
        bounds=w.bounds[chosen],
        frames=w.frames[chosen],
        frame_mask=w.frame_mask[chosen],
        sound=w.sound[chosen],
        sound_mask=w.sound_mask[chosen],
    )


def _cut(sample: Sample, start: int, stop: int) -> Sample:
    """Return the sample cut to clips ``start`` to ``stop``; utterances and windows are clipped to them."""
    window = _rows(sample.window, slice(start, stop))
    begin, end = window.bounds[0, 0], window.bounds[-1, 1]
    speech_t, kept = _within(window.speech_t, begin, end)
    relevant, _ = _within(sample.relevant, begin, end)
    return replace(sample, window=replace(window, speech=window.speech[kept], speech_t=speech_t), relevant=relevant)


def _within(t: F64, begin: float, end: float) -> tuple[F64, Bools]:
    """Clip intervals [N, 2] to two times; return those that are not empty, and a mask bool[N] of them."""
    cut = np.clip(t, begin, end)
    kept = np.asarray(cut[:, 1] > cut[:, 0])
    return cut[kept], kept


def _joined(a: FeatureWindow, b: FeatureWindow, shift: float) -> FeatureWindow:
    return FeatureWindow(
        bounds=np.concatenate([a.bounds, b.bounds + shift]),
        frames=np.concatenate([a.frames, b.frames]),
        frame_mask=np.concatenate([a.frame_mask, b.frame_mask]),
        speech=np.concatenate([a.speech, b.speech]),
        speech_t=np.concatenate([a.speech_t, b.speech_t + shift]),
        sound=np.concatenate([a.sound, b.sound]),
        sound_mask=np.concatenate([a.sound_mask, b.sound_mask]),
    )


def _same(a: EventQuery, b: EventQuery) -> bool:
    """Return whether two descriptions are the same text: their embeddings are equal."""
    return np.array_equal(a.vision, b.vision) and np.array_equal(a.speech, b.speech)


def _without_frames(w: FeatureWindow, lost: Bools) -> FeatureWindow:
    return replace(w, frames=np.where(lost[:, None], 0, w.frames).astype(np.float32), frame_mask=w.frame_mask & ~lost)


def _turned(rows: F32, rng: np.random.Generator) -> F32:
    return unit_rows(rows + NOISE * unit_rows(rng.normal(size=rows.shape).astype(np.float32)))
