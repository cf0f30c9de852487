"""Features as the research repositories distribute them, for annotations in the QVHighlights format.

Videos: ``VID.npz`` (or ``.safetensors``) with ``features`` [T, D], a row a clip; several folders, such as SlowFast and
CLIP, are joined row by row. Descriptions: ``qidQID.npz`` with ``last_hidden_state`` [L, D'], a row a token, and
``pooler_output`` [D'], the whole (Moment-DETR, Lei et al. 2021). A description lies in the space of the video features
that are as wide as it, and is 0 in the others: inner products compare what can be compared. Nothing executes: pickled
arrays are refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from alignment.annotations import Annotation, Qid
from alignment.calibration import CLIP_CALIBRATION, Platt, SimilarityCalibration
from alignment.errors import FeatureError
from alignment.reliability import fit_platt
from alignment.training.dataset import Example, relevant_windows, without_bad_rows
from alignment.types import F32, SOUND_TAGS, EventQuery, FeatureWindow

SUFFIXES = (".npz", ".safetensors")
SLACK_CLIPS = 2  # by which feature files of one video differ in length, as the tools that make them round
FITTED_CLIPS = 200_000  # enough for two numbers


@dataclass(frozen=True, slots=True)
class FeatureFolders:
    """Where features lie. ``clip_s``: the length of a clip, seconds."""

    videos: tuple[Path, ...]
    texts: Path
    clip_s: float = 2.0

    def examples(self, annotations: Sequence[Annotation]) -> tuple[list[Example], int]:
        """Return an example an annotation and how many rows were not finite; raise ``FeatureError``."""
        videos: dict[str, tuple[FeatureWindow, list[int]]] = {}
        examples, bad = [], 0
        for a in annotations:
            if a.vid not in videos:
                window, widths = self._video(a.vid, a.duration)
                window, rows = without_bad_rows(window)
                videos[a.vid], bad = (window, widths), bad + rows
            video, widths = videos[a.vid]
            examples.append(Example(a.vid, video, self._query(a, widths), relevant_windows(a.windows)))
        return examples, bad

    def _video(self, vid: str, duration: float) -> tuple[FeatureWindow, list[int]]:
        """Return a video's features and how wide each part of them is."""
        parts = [self._part(folder, vid, duration) for folder in self.videos]
        clips = min(map(len, parts))
        if max(map(len, parts)) - clips > SLACK_CLIPS:
            lengths = ", ".join(f"{folder / vid}: {len(p)}" for folder, p in zip(self.videos, parts, strict=True))
            raise FeatureError(f"feature files of one video differ in clips ({lengths})", "extract them anew, alike")
        frames = np.concatenate([_unit(p[:clips]) for p in parts], axis=1) / math.sqrt(len(parts))
        edges = np.arange(clips + 1) * self.clip_s
        window = FeatureWindow(
            bounds=np.stack([edges[:-1], edges[1:]], axis=1),
            frames=frames.astype(np.float32),
            frame_mask=np.ones(clips, bool),
            speech=np.zeros((0, frames.shape[1]), np.float32),
            speech_t=np.zeros((0, 2)),
            sound=np.zeros((clips, len(SOUND_TAGS)), np.float32),
            sound_mask=np.zeros(clips, bool),
        )
        return window, [p.shape[1] for p in parts]

    def _part(self, folder: Path, vid: str, duration: float) -> F32:
        path = _find(folder, vid)
        rows = _matrix(path, read_arrays(path), "features")
        if abs(len(rows) * self.clip_s - duration) > max(SLACK_CLIPS * self.clip_s, 0.05 * duration):
            raise FeatureError(
                f"{path} has {len(rows)} clips of {self.clip_s:g} s, but {vid} is annotated to last {duration:g} s",
                "set clip_seconds to the length of its clips, or extract the features anew",
            )
        return rows

    def _query(self, annotation: Annotation, widths: Sequence[int]) -> EventQuery:
        path = _find_text(self.texts, annotation.qid)
        whole, tokens = _description(path)
        if whole.shape[1] not in widths:
            told = ", ".join(map(str, widths))
            raise FeatureError(
                f"{path} has rows of {whole.shape[1]} numbers, but the videos' features {told}",
                "give a folder of video features of the model that made the text features",
            )
        place = len(widths) - 1 - list(reversed(widths)).index(whole.shape[1])
        before, after = sum(widths[:place]), sum(widths[place + 1 :])
        rows, words = (_unit(np.pad(x, ((0, 0), (before, after)))) for x in (whole, tokens))
        none = np.zeros((0, sum(widths)), np.float32)
        return EventQuery(
            event=f"q{annotation.qid}",
            vision=rows,
            vision_unlike=none,
            speech=none,
            speech_unlike=none,
            sound=np.zeros(len(SOUND_TAGS), np.float32),
            prior=np.array([1, 0, 0], np.float32),
            words=tuple(f"token {i}" for i in range(len(words))),
            vision_words=words,
            speech_words=none,
        )


def fit_calibration(examples: Sequence[Example]) -> SimilarityCalibration:
    """Return the curve of these features: how probable a description is at a cosine with a clip.

    Where cosines say nothing about it, CLIP's curve stands in.
    """
    scores, labels, clips = [], [], 0
    for e in examples:
        if clips >= FITTED_CLIPS:
            break
        seen = e.video.frame_mask
        scores.append((e.video.frames[seen] @ e.query.vision.T).max(axis=1))
        middle = e.video.bounds[seen].mean(axis=1, keepdims=True)
        labels.append(((middle >= e.relevant[:, 0]) & (middle < e.relevant[:, 1])).any(axis=1))
        clips += len(labels[-1])
    try:
        vision: Platt = fit_platt(np.concatenate(scores), np.concatenate(labels))
    except FeatureError:
        return CLIP_CALIBRATION
    return SimilarityCalibration(vision, CLIP_CALIBRATION.speech, CLIP_CALIBRATION.sound, CLIP_CALIBRATION.contrast)


def read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a ``.npz`` or ``.safetensors`` file; raise ``FeatureError``."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, AttributeError, BadZipFile, SafetensorError) as e:
        raise FeatureError(f"{path} cannot be read: {e}", "copy or extract it again") from e


def _find(folder: Path, stem: str) -> Path:
    """Return the file of a name; a name never leads out of the folder."""
    if not folder.is_dir():
        raise FeatureError(f"{folder} is no folder", "give a folder of feature files")
    found = [
        folder / (stem + suffix) for suffix in SUFFIXES if "/" not in stem and (folder / (stem + suffix)).is_file()
    ]
    if not found:
        raise FeatureError(f"{folder} has no {stem}.npz", "extract its features, or take it out of the annotations")
    return found[0]


def _find_text(folder: Path, qid: Qid) -> Path:
    bare = folder / f"{qid}.npz"
    return bare if "/" not in str(qid) and bare.is_file() else _find(folder, f"qid{qid}")


def _description(path: Path) -> tuple[F32, F32]:
    """Return the whole description f32[1, D'] and its tokens f32[L, D'], those that are finite."""
    arrays = read_arrays(path)
    if "pooler_output" not in arrays and "last_hidden_state" not in arrays:
        raise FeatureError(f"{path} has neither pooler_output nor last_hidden_state", "extract text features again")
    tokens = _matrix(path, arrays, "last_hidden_state") if "last_hidden_state" in arrays else None
    if tokens is not None:
        tokens = tokens[np.isfinite(tokens).all(axis=1)]
    if "pooler_output" in arrays:
        whole = np.asarray(arrays["pooler_output"], np.float32).reshape(1, -1)
    else:
        assert tokens is not None
        whole = tokens.mean(axis=0, keepdims=True) if len(tokens) else np.full((1, tokens.shape[1]), np.nan, np.float32)
    if not np.isfinite(whole).all():
        raise FeatureError(f"{path} has a description that is not finite", "extract its text features again")
    if tokens is None or tokens.shape[1] != whole.shape[1]:
        tokens = whole[:0]
    return whole, tokens


def _matrix(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> F32:
    if name not in arrays:
        known = ", ".join(arrays) or "nothing"
        raise FeatureError(f"{path} has no array {name!r}, but {known}", f"store the rows as {name!r}")
    array = arrays[name]
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise FeatureError(
            f"{path}: {name} is {array.dtype}{list(array.shape)}, not numbers [rows, width]", "extract it again"
        )
    return array.astype(np.float32)


def _unit(rows: F32) -> F32:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
