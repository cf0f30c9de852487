"""The short video of a summary: parts joined by stream copy, in a process of its own (``workers…clips.joining``)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from alignment.file_io import replacing
from daemon.logs.setup import worker_environment
from daemon.offline.exports import ExportError
from daemon.summary.types import FileSummary
from workers.errors import ClipUnavailable
from workers.sources.clips.joining import Order, Part, Shown

COMMAND = (sys.executable, "-P", "-m", "workers.sources.clips.joining")
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
    try:
        done = subprocess.run(
            [*COMMAND, str(folder)],
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            env={**os.environ, **worker_environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=LONGEST_S,
            process_group=0,  # Ctrl-C in a terminal is for this process
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClipUnavailable(f"joining clips took more than {LONGEST_S:.0f} s", "ask for fewer moments") from None
    if done.returncode:
        raise ClipUnavailable(f"clips cannot be joined: {done.stderr[-500:].strip()}", "the clips may be damaged")
    document = json.loads(done.stdout)
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
