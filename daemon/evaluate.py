"""Holds the daemon's own decisions on annotated videos against the annotations.

Prediction sees a ``Question``: what is asked of which video. Windows, kinds and sources stay with the
annotations, so that no decision can depend on them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.annotations import (
    Annotation,
    AnnotationError,
    Prediction,
    Qid,
    parse_annotations,
    parse_predictions,
    prediction_line,
)
from alignment.errors import WatchwordError
from daemon.exports import write_atomic
from daemon.media_files import VIDEO_SUFFIXES
from daemon.tagging import FileResult, OnProgress, Tagger
from workers.types import EventSpec

NAMED_AT_MOST = 10


class MissingVideosError(WatchwordError):
    """Annotated videos are not in the folder, or not once."""

    code = "videos_missing"


class UnreadableVideosError(WatchwordError):
    """Annotated videos could not be read; figures over the others would say nothing about the whole."""

    code = "videos_unreadable"


@dataclass(frozen=True, slots=True)
class Question:
    """What prediction may know of an annotation."""

    qid: Qid
    query: str
    vid: str

    @property
    def event(self) -> str:
        """The name of the event that stands for this query."""
        return f"q{self.qid}"


def questions(annotations: Iterable[Annotation]) -> tuple[Question, ...]:
    """Return what is asked, without the answers."""
    return tuple(Question(a.qid, a.query, a.vid) for a in annotations)


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """Read an annotation file; raise ``AnnotationError``, also for a file without a line."""
    annotations = parse_annotations(_lines(path), str(path))
    if not annotations:
        raise AnnotationError(f"{path} has no annotations", "the file has one JSON object a line")
    return annotations


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read a prediction file; raise ``AnnotationError``."""
    return parse_predictions(_lines(path), str(path))


def write_predictions(path: Path, asked: Sequence[Question], predictions: Sequence[Prediction]) -> None:
    """Write one line a query, also for those without events; raise ``ExportError``."""
    windows = {p.qid: p.windows for p in predictions}
    write_atomic(path, "".join(prediction_line(q.qid, q.query, q.vid, windows[q.qid]) for q in asked))


def find_videos(folder: Path, vids: Iterable[str]) -> dict[str, Path]:
    """Return the file of each video name; ``MissingVideosError`` lists those that have none, or several."""
    if not folder.is_dir():
        raise MissingVideosError(f"{folder} is no folder", "give the folder that holds the annotated videos")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            files.setdefault(path.stem, []).append(path)
    wanted = sorted(set(vids))
    missing = [vid for vid in wanted if vid not in files]
    if missing:
        raise MissingVideosError(
            f"{folder} has no video for {_some(missing)}", "give the folder whose file names are the vids"
        )
    double = [path.name for vid in wanted if len(files[vid]) > 1 for path in files[vid]]
    if double:
        raise MissingVideosError(f"{folder} has several files of one name: {_some(double)}", "leave one of each")
    return {vid: files[vid][0] for vid in wanted}


def predict(
    asked: Sequence[Question],
    videos: Mapping[str, Path],
    tagger: Tagger,
    on_progress: OnProgress,
    on_result: Callable[[FileResult], None],
) -> tuple[Prediction, ...]:
    """Let the daemon watch each video for all of its queries; return what it decided, in order of ``asked``.

    Raise ``UnreadableVideosError`` once all files were tried and some failed.
    """
    specs: dict[Path, list[EventSpec]] = {path: [] for path in videos.values()}
    for q in asked:
        specs[videos[q.vid]].append(EventSpec(name=q.event, describe=(q.query,)))
    failed: list[str] = []
    found: dict[str, list[tuple[float, float, float]]] = {q.event: [] for q in asked}
    for result in tagger(list(specs), specs.__getitem__, on_progress):
        on_result(result)
        if result.error is not None:
            failed.append(f"{result.path.name}: {result.error}")
        for event in result.events:
            found[event.event].append((event.start, event.end, event.score))
    if failed:
        raise UnreadableVideosError(f"{len(failed)} of {len(specs)} videos could not be read: {_some(failed)}")
    ranked = {name: tuple(sorted(windows, key=lambda w: (-w[2], w[0]))) for name, windows in found.items()}
    return tuple(Prediction(q.qid, ranked[q.event]) for q in asked)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except OSError as e:
        raise AnnotationError(f"cannot read {path}: {e.strerror or e}", "check the name and the rights") from e
    except UnicodeDecodeError as e:
        raise AnnotationError(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}", "save it as UTF-8") from e


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")
