"""Features in the format of the research repositories, for annotations in the QVHighlights format.

Videos: ``VID.npz`` (or ``.safetensors``) with ``features`` [T, D], one row per clip; rows of several folders, such
as SlowFast and CLIP, are concatenated. Descriptions: ``qidQID.npz`` with ``last_hidden_state`` [L, D'], one row per
token, and ``pooler_output`` [D'], the whole text (Moment-DETR, Lei et al. 2021). A description is placed in the part of
the video features that has the same width, and is 0 in the other parts, so inner products compare only that part.
No code from a file is executed: pickled arrays are refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from alignment.calibration import CLIP_CALIBRATION, Platt, SimilarityCalibration
from alignment.errors import FeatureError
from alignment.evaluation.annotations import Annotation, Qid
from alignment.evaluation.reliability import fit_platt
from alignment.training.examples.dataset import Example, relevant_windows, without_bad_rows
from alignment.types import F32, SOUND_CLASSES, EventQuery, FeatureWindow
from alignment.vectors import unit_rows

SUFFIXES = (".npz", ".safetensors")
SLACK_CLIPS = 2  # allowed difference in length of the feature files of one video: extractors round differently
FITTED_CLIPS = 200_000  # enough to fit the two parameters of a curve


@dataclass(frozen=True, slots=True)
class FeatureFolders:
    """The folders of feature files. ``clip_s``: the length of a clip, seconds."""

    videos: tuple[Path, ...]
    texts: Path
    clip_s: float = 2.0

    def examples(self, annotations: Sequence[Annotation]) -> tuple[list[Example], int]:
        """Return one example per annotation, and the number of rows that were not finite; raise ``FeatureError``."""
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
        """Return a video's features and the width of each of their parts."""
        parts = [self._part(folder, vid, duration) for folder in self.videos]
        clips = min(map(len, parts))
        if max(map(len, parts)) - clips > SLACK_CLIPS:
            lengths = ", ".join(f"{folder / vid}: {len(p)}" for folder, p in zip(self.videos, parts, strict=True))
            raise FeatureError(
                f"feature files of one video differ in number of clips ({lengths})",
                "extract them again with one clip length",
            )
        frames = np.concatenate([unit_rows(p[:clips]) for p in parts], axis=1) / math.sqrt(len(parts))
        edges = np.arange(clips + 1) * self.clip_s
        window = FeatureWindow(
            bounds=np.stack([edges[:-1], edges[1:]], axis=1),
            frames=frames.astype(np.float32),
            frame_mask=np.ones(clips, bool),
            speech=np.zeros((0, frames.shape[1]), np.float32),
            speech_t=np.zeros((0, 2)),
            sound=np.broadcast_to(np.float32(0), (clips, SOUND_CLASSES)),  # takes no memory
            sound_mask=np.zeros(clips, bool),
        )
        return window, [p.shape[1] for p in parts]

    def _part(self, folder: Path, vid: str, duration: float) -> F32:
        path = _find(folder, vid)
        rows = _matrix(path, read_arrays(path), "features")
        if abs(len(rows) * self.clip_s - duration) > max(SLACK_CLIPS * self.clip_s, 0.05 * duration):
            raise FeatureError(
                f"{path} has {len(rows)} clips of {self.clip_s:g} s, but {vid} is annotated to last {duration:g} s",
                "set clip_seconds to the length of its clips, or extract the features again",
            )
        return rows

    def _query(self, annotation: Annotation, widths: Sequence[int]) -> EventQuery:
        path = _find_text(self.texts, annotation.qid)
        whole, tokens = _description(path)
        if whole.shape[1] not in widths:
            known = ", ".join(map(str, widths))
            raise FeatureError(
                f"{path} has rows of width {whole.shape[1]}, but the videos' features have {known}",
                "give a folder of video features from the model that made the text features",
            )
        place = len(widths) - 1 - list(reversed(widths)).index(whole.shape[1])
        before, after = sum(widths[:place]), sum(widths[place + 1 :])
        rows, words = (unit_rows(np.pad(x, ((0, 0), (before, after)))) for x in (whole, tokens))
        none = np.zeros((0, sum(widths)), np.float32)
        return EventQuery(
            event=f"q{annotation.qid}",
            vision=rows,
            vision_unlike=none,
            speech=none,
            speech_unlike=none,
            sound=np.zeros(SOUND_CLASSES, np.float32),
            prior=np.array([1, 0, 0], np.float32),
            words=tuple(f"token {i}" for i in range(len(words))),
            vision_words=words,
            speech_words=none,
        )


def fit_calibration(examples: Sequence[Example]) -> SimilarityCalibration:
    """Return the calibration of these features, from the cosine of a description and a clip to its probability.

    If no curve can be fitted to the cosines, CLIP's calibration is returned.
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
    return replace(CLIP_CALIBRATION, vision=vision)


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
    """Return the feature file of a name; a name with a slash has none, so no file outside the folder is read."""
    if not folder.is_dir():
        raise FeatureError(f"{folder} is not a folder", "give a folder of feature files")
    found = [
        folder / (stem + suffix) for suffix in SUFFIXES if "/" not in stem and (folder / (stem + suffix)).is_file()
    ]
    if not found:
        raise FeatureError(f"{folder} has no {stem}.npz", "extract its features, or remove it from the annotations")
    return found[0]


def _find_text(folder: Path, qid: Qid) -> Path:
    bare = folder / f"{qid}.npz"
    return bare if "/" not in str(qid) and bare.is_file() else _find(folder, f"qid{qid}")


def _description(path: Path) -> tuple[F32, F32]:
    """Return the whole description f32[1, D'] and those of its tokens f32[L, D'] that are finite."""
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
        raise FeatureError(f"{path} has no array {name!r}, it has {known}", f"store the rows as {name!r}")
    array = arrays[name]
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise FeatureError(
            f"{path}: {name} is {array.dtype}{list(array.shape)}, not numbers [rows, width]", "extract it again"
        )
    return array.astype(np.float32)
