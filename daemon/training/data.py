"""Training data: synthetic streams, annotated videos, or annotated feature files."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from alignment.aligners.trained.batches import Sample
from alignment.aligners.trained.checkpoint import save_checkpoint
from alignment.aligners.trained.network import CrossAttention
from alignment.baselines.registry import build_method
from alignment.calibration import SimilarityCalibration
from alignment.errors import FeatureError
from alignment.evaluation.annotations import Annotation, AnnotationError, parse_annotations
from alignment.search.feature_file import FeatureFile, load_features
from alignment.synthetic.streams import Synthesiser
from alignment.training.errors import DatasetError
from alignment.training.examples.augment import Augmenter, augmented
from alignment.training.examples.data import Batches, shuffled, streamed
from alignment.training.examples.dataset import Example, held_out, relevant_windows, without_bad_rows
from alignment.training.examples.feature_files import FeatureFolders, fit_calibration
from alignment.training.losses import objective_for
from alignment.training.state import write_tensors
from alignment.training.task import AlignmentTask
from alignment.training.validation import Validation
from alignment.types import EventQuery
from daemon.config.sections.training import TrainConfig
from daemon.evaluation.run import UnreadableVideosError, find_videos
from daemon.offline.extraction import Extractor
from daemon.offline.progress import FileProgress
from daemon.offline.runner import OfflineSettings
from daemon.training.run_folder import fingerprint
from workers.encoders.registry import load_encoder
from workers.queries.build import build_query
from workers.queries.synthetic_world import build_world
from workers.types import EventSpec

HELD_OUT_STREAMS = 40  # synthetic streams for validation, with other seeds than the training streams
STREAM_SAMPLES = 18  # approximate number of samples per synthetic stream


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training and validation data. ``facts`` are written to the checkpoint's model card.

    ``batches`` are one worker's share of each step; ``dims`` are the widths of the frame and the sentence space.
    See ``daemon.training.job.Data``.
    """

    batches: Batches
    epoch: int | None  # examples in one pass; None: endless
    held_out: tuple[Sample, ...]
    calibration: SimilarityCalibration
    dims: tuple[int, int]
    facts: Mapping[str, Any]

    @property
    def task(self) -> AlignmentTask:
        """Return the task that makes batches of examples."""
        return AlignmentTask(self.calibration)

    def build(self, config: TrainConfig) -> nn.Module:
        """Return a method with random initial weights."""
        return build_method(config.method, *self.dims)

    def measure(self, model: nn.Module, config: TrainConfig) -> Validation | None:
        """Return the validation of a model; None without held-out examples."""
        if not self.held_out:
            return None
        return Validation(self.held_out, objective_for(model, config.losses), self.calibration)

    def save(self, path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
        """Write a checkpoint for the daemon; weights of other methods are written as plain safetensors."""
        if isinstance(model, CrossAttention):
            save_checkpoint(path, model, card)
        else:
            write_tensors(path, model.state_dict(), {"card": json.dumps(card)})


@dataclass(frozen=True, slots=True)
class Sources:
    """Inputs for annotated examples: ``videos``, or ``features`` with or without ``texts``."""

    annotations: Path
    validation: Path | None
    videos: Path | None
    features: tuple[Path, ...]
    texts: Path | None
    cache: Path

    def fingerprints(self) -> dict[str, str | None]:
        """Return a fingerprint by option of the annotations and the files that they name."""
        read = [read_annotations(path) for path in (self.annotations, self.validation) if path]
        vids = {a.vid for part in read for a in part}
        qids = {f"{prefix}{a.qid}" for part in read for a in part for prefix in ("", "qid")}
        return {
            "annotations": fingerprint(self.annotations),
            "validation": fingerprint(self.validation),
            "videos": fingerprint(self.videos, vids),
            "features": " ".join(str(fingerprint(folder, vids)) for folder in self.features),
            "text features": fingerprint(self.texts, qids),
        }


@dataclass(frozen=True, slots=True)
class _Embedded:
    examples: list[Example]
    bad_rows: int
    calibration: SimilarityCalibration | None  # None: the features' own curve is not known


def synthetic_data(settings: OfflineSettings, config: TrainConfig, workers: int) -> TrainingData:
    """Return endless synthetic streams, composed of text embedded by the encoder of ``settings``."""
    encoder = load_encoder(settings.models)
    world = build_world(encoder, config.seed)
    streams = max(1, round(config.batch_size / workers / STREAM_SAMPLES))
    apart = Synthesiser(world, config.seed + 1)
    samples = tuple(s for i in range(HELD_OUT_STREAMS) for s in apart.stream(i))
    dims = samples[0].window.frames.shape[1], samples[0].window.speech.shape[1]
    facts = {"data": "synthetic", "encoder": encoder.info.id}
    batches = streamed(Synthesiser(world, config.seed).stream, streams, config.seed)
    return TrainingData(_augmented(batches, config), None, samples, encoder.calibration, dims, facts)


def annotated_data(
    sources: Sources,
    settings: OfflineSettings,
    config: TrainConfig,
    workers: int,
    progress: Callable[[int], FileProgress],
) -> TrainingData:
    """Return annotated videos, split into training and validation; raise a ``WatchwordError`` that names a file."""
    learned = read_annotations(sources.annotations)
    watched = read_annotations(sources.validation) if sources.validation else ()
    embedded = _embed((*learned, *watched), sources, settings, config, progress)
    if sources.validation:
        train, apart = embedded.examples[: len(learned)], embedded.examples[len(learned) :]
    else:
        train, apart = held_out(embedded.examples, config.validation_share, config.seed)
    size = max(1, config.batch_size // workers)
    batches = _augmented(shuffled(train, size, config.seed), config)
    samples = tuple(sample for example in apart for sample in example.windows())
    facts = {
        "data": str(sources.annotations),
        "videos": len({e.vid for e in train}),
        "descriptions": len(train),
        "never_true": sum(not len(e.relevant) for e in train),
        "validation_videos": len({e.vid for e in apart}),
        "dropped_rows": embedded.bad_rows,
    }
    dims = train[0].video.frames.shape[1], train[0].video.speech.shape[1]
    calibration = embedded.calibration or fit_calibration(train)
    return TrainingData(batches, len(train), samples, calibration, dims, facts)


def _augmented(batches: Batches, config: TrainConfig) -> Batches:
    return augmented(batches, Augmenter(config.augmentations), config.seed) if config.augmentations else batches


def _embed(
    annotations: Sequence[Annotation],
    sources: Sources,
    settings: OfflineSettings,
    config: TrainConfig,
    progress: Callable[[int], FileProgress],
) -> _Embedded:
    if sources.videos is not None:
        return _from_videos(annotations, sources.videos, sources.cache, settings, progress)
    if sources.texts is not None:
        folders = FeatureFolders(sources.features, sources.texts, config.clip_seconds)
        examples, bad = folders.examples(annotations)
        return _Embedded(examples, bad, None)
    return _from_own_features(annotations, sources.features, settings)


def _from_videos(
    annotations: Sequence[Annotation],
    folder: Path,
    cache: Path,
    settings: OfflineSettings,
    progress: Callable[[int], FileProgress],
) -> _Embedded:
    files = find_videos(folder, (a.vid for a in annotations))
    found: dict[str, FeatureFile] = {}
    failed: list[str] = []
    with Extractor(settings) as extractor:
        with progress(len(files)) as bar:
            for item in extractor.extract(list(files.values()), cache, bar):
                bar.done(item.path)
                if item.features is None:
                    failed.append(f"{item.path.name}: {item.error}")
                else:
                    found[item.path.stem] = item.features
        if failed:
            raise UnreadableVideosError(f"{len(failed)} of {len(files)} videos could not be read: {failed[0]}")
        return _joined(annotations, found, extractor.queries(_specs(annotations)), extractor.description.calibration)


def _from_own_features(
    annotations: Sequence[Annotation], folders: Sequence[Path], settings: OfflineSettings
) -> _Embedded:
    """Read ``VID.safetensors`` files in the format that ``daemon.offline.extraction`` writes (there under digests)."""
    if len(folders) > 1:
        raise DatasetError("several --features folders need --text-features", "give the text features' folder")
    encoder = load_encoder(settings.models)
    found = {}
    for vid in dict.fromkeys(a.vid for a in annotations):
        path = folders[0] / f"{vid}.safetensors"
        features = load_features(path)
        if features.encoder != encoder.info.id:
            raise FeatureError(
                f"{path} was made by the encoder {features.encoder}, not {encoder.info.id}",
                "choose its encoder with --profile, or extract the features again",
            )
        found[vid] = features
    queries = [build_query(spec, encoder) for spec in _specs(annotations)]
    return _joined(annotations, found, queries, encoder.calibration)


def _joined(
    annotations: Sequence[Annotation],
    found: Mapping[str, FeatureFile],
    queries: Sequence[EventQuery],
    calibration: SimilarityCalibration,
) -> _Embedded:
    cleaned = {vid: without_bad_rows(features.window) for vid, features in found.items()}
    examples = [
        Example(a.vid, cleaned[a.vid][0], query, relevant_windows(a.windows))
        for a, query in zip(annotations, queries, strict=True)
    ]
    return _Embedded(examples, sum(bad for _, bad in cleaned.values()), calibration)


def _specs(annotations: Iterable[Annotation]) -> list[EventSpec]:
    return [EventSpec(name=f"q{a.qid}", describe=(a.query,)) for a in annotations]


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """Read annotations; windows may also be given as ``relevant_clip_ids`` of 2 s, as in QVHighlights."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise AnnotationError(f"cannot read {path}: {e}", "name a text file with one JSON object per line") from e
    annotations = parse_annotations(map(_with_windows, lines), str(path))
    if not annotations:
        raise AnnotationError(f"{path} has no annotations", "the file has one JSON object per line")
    return annotations


def _with_windows(line: str) -> str:
    """Return the line with ``relevant_windows`` added if it only has ``relevant_clip_ids``."""
    try:
        row = json.loads(line)
    except ValueError:
        return line  # the parser reports the error
    if not isinstance(row, dict) or "relevant_windows" in row or not isinstance(row.get("relevant_clip_ids"), list):
        return line
    windows: list[list[int]] = []
    for clip in sorted(c for c in row["relevant_clip_ids"] if isinstance(c, int)):
        if windows and windows[-1][1] == 2 * clip:
            windows[-1][1] += 2
        else:
            windows.append([2 * clip, 2 * clip + 2])
    return json.dumps(row | {"relevant_windows": windows})
