"""Training data of two towers: frames of annotated videos, and the descriptions that are true of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from alignment.evaluation.annotations import Annotation
from alignment.towers.backbones import TowerOptions, TwoTowers, Vocabulary
from alignment.towers.tower_file import TrainedTowers, save_towers
from alignment.training.errors import DatasetError
from alignment.training.examples.data import shuffled
from alignment.training.examples.dataset import held_out
from alignment.training.examples.image_augment import ImageAugmenter
from alignment.training.towers import Captioned, Pictured, TowerTask, TowerValidation, captions
from daemon.config.sections.training import TrainConfig
from daemon.evaluation.run import find_videos
from daemon.logs.setup import LOGGING, worker_environment
from daemon.offline.progress import FileProgress
from daemon.training.data import Sources, read_annotations
from workers.clock import SystemClock
from workers.queries.modality import modality_of, seen_content
from workers.redaction import RedactedUrl
from workers.sources.base import Source
from workers.sources.isolation.source import DecoderPool
from workers.types import CameraSpec, FrameBatch, FrameSpec

FPS = 1.0


@dataclass(frozen=True, slots=True)
class TowerData:
    """Annotated frames, split into training and validation; see ``daemon.training.job.Data``."""

    options: TowerOptions
    vocabulary: Vocabulary
    validation: TowerValidation
    batches: Callable[[int], Sequence[Captioned]]
    epoch: int
    task: TowerTask
    facts: Mapping[str, Any]

    def build(self, config: TrainConfig) -> nn.Module:
        """Return towers with random weights; those of the CNN may come from a file."""
        return TwoTowers(self.options, len(self.vocabulary))

    def measure(self, model: nn.Module, config: TrainConfig) -> Callable[[nn.Module], Mapping[str, float]] | None:
        """Return the validation of the towers; None without held-out videos."""
        return self.validation if self.validation.held_out else None

    def save(self, path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
        """Write the file for the encoder profile ``own``, with a calibration curve fitted to its cosines."""
        assert isinstance(model, TwoTowers)
        save_towers(path, TrainedTowers(self.options, model, self.vocabulary, self.validation.curve(model)), card)


def tower_data(
    sources: Sources,
    options: TowerOptions,
    config: TrainConfig,
    workers: int,
    progress: Callable[[int], FileProgress],
) -> TowerData:
    """Return the frames of annotated videos; raise a ``WatchwordError`` that names a file."""
    if sources.videos is None:
        raise DatasetError("towers are trained on videos, not on features", "give --annotations and --videos")
    read = [read_annotations(path) for path in (sources.annotations, sources.validation) if path]
    rows = [[(a, seen_content(a.query)) for a in part if modality_of(a.query) == "vision"] for part in read]
    texts = sorted({text for part in rows for _, text in part})
    vocabulary = Vocabulary(text for _, text in rows[0])
    limits, size = config.limits.limits(), FrameSpec(options.side, options.side, "squash")
    with closing(DecoderPool(worker_environment(), LOGGING)) as decoders:

        def opened(path: Path) -> Source:
            """Return a source of a video's frames."""
            camera = CameraSpec("training", RedactedUrl(str(path)), FPS, audio=False, limits=limits)
            return decoders.build(camera, size, SystemClock())

        parts = [_pictured(part, texts, sources.videos, opened, options.side, progress) for part in rows]
    learned, apart = parts if len(parts) > 1 else held_out(parts[0], config.validation_share, config.seed)
    examples = captions(learned)
    if not examples:
        raise DatasetError("no description is true of any frame", "annotate windows in which descriptions are true")
    ids = vocabulary(texts)
    return TowerData(
        options=options,
        vocabulary=vocabulary,
        validation=TowerValidation(learned, apart, ids),
        batches=shuffled(examples, max(1, config.batch_size // workers), config.seed),
        epoch=len(examples),
        task=TowerTask(ids, ImageAugmenter(config.image_augmentations, options.side)),
        facts={
            "data": str(sources.annotations),
            "videos": len(learned),
            "frames": sum(len(v.pictures) for v in learned),
            "descriptions": len(examples),
            "not_about_what_is_seen": len(read[0]) - len(rows[0]),
            "validation_videos": len(apart),
        },
    )


def _pictured(
    rows: Sequence[tuple[Annotation, str]],
    texts: Sequence[str],
    folder: Path,
    opened: Callable[[Path], Source],
    side: int,
    progress: Callable[[int], FileProgress],
) -> list[Pictured]:
    """Return the frames of each annotated video."""
    place = {text: i for i, text in enumerate(texts)}
    files = find_videos(folder, (a.vid for a, _ in rows))
    found = []
    with progress(len(files)) as bar:
        for vid, path in files.items():
            times, pictures = _frames(path, opened(path), side, bar)
            shows, asked = np.zeros((len(times), len(texts)), bool), np.zeros(len(texts), bool)
            for annotation, text in (row for row in rows if row[0].vid == vid):
                asked[place[text]] = True
                for start, end in annotation.windows:
                    shows[:, place[text]] |= (times >= start) & (times < end)
            found.append(Pictured(vid, pictures, shows, asked))
            bar.done(path)
    return found


def _frames(path: Path, source: Source, side: int, on_progress: FileProgress) -> tuple[np.ndarray, np.ndarray]:
    """Return the times f64[N] and frames u8[N, side, side, 3] of a video at one frame per second."""
    times, pictures = [np.zeros(0)], [np.zeros((0, side, side, 3), np.uint8)]
    with closing(source):
        duration = source.open().duration_s
        for item in source.items():
            if isinstance(item, FrameBatch):
                times.append(item.pts_s)
                pictures.append(np.array(item.frames))
                on_progress(path, float(item.pts_s[-1]), duration)
    return np.concatenate(times), np.concatenate(pictures)
