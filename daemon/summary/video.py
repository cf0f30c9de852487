"""The short video of a summary: parts joined by stream copy, in a process of its own (``workers…clips.joining``)."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from alignment.file_io import replacing
from daemon.offline.exports import ExportError
from daemon.runtime.media_process import run_media
from daemon.summary.types import FileSummary
from workers.errors import ClipUnavailable
from workers.sources.clips.joining import Order, Part, Shown

LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Video:
    """One video, which lies in a temporary file, and where in it which part is shown."""

    path: Path
    shown: tuple[Shown, ...]


def parts_of(summary: FileSummary, file: Path) -> tuple[Part, ...]:
    """Return the highlights of a file as parts of it."""
    return tuple(Part(str(file.resolve()), moment.start, moment.end) for moment in summary.highlights)


@contextmanager
def joined(order: Order) -> Iterator[tuple[Video, ...]]:
    """Yield the videos of an order, the longest first: one for all parts whose tracks are alike.

    Raise ``ClipUnavailable`` if there is none.
    """
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        yield _run(order, Path(folder))


def write_video(to: Path, video: Path) -> None:
    """Copy a video to where it shall stay, atomically; raise ``ExportError``."""
    try:
        with replacing(to) as part:
            shutil.copyfile(video, part)
    except OSError as e:
        raise ExportError(f"cannot write {to}: {e.strerror or e}", "free the space or choose another place") from e


def _run(order: Order, folder: Path) -> tuple[Video, ...]:
    document = json.loads(run_media("joining", str(folder), longest_s=LONGEST_S, given=json.dumps(asdict(order))))
    videos = [
        Video(folder / f"{number}.mp4", tuple(Shown(**shown) for shown in video))
        for number, video in enumerate(document["videos"])
    ]
    if not videos:
        raise ClipUnavailable("there is no clip of these moments", _first_reason(document["failed"].values()))
    return tuple(sorted(videos, key=lambda video: -sum(shown.seconds for shown in video.shown)))


def _first_reason(reasons: Iterable[str]) -> str:
    return next(
        iter(reasons), "clips are kept of events, if `evidence.clips` is on, as long as `retention.evidence` says"
    )
