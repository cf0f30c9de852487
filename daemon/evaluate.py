"""Holds the daemon's own decisions on annotated videos against the annotations.

Prediction sees a ``Question``: what is asked of which video. Windows, kinds and sources stay with the
annotations, so that no decision can depend on them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from alignment.annotations import (
    Annotation,
    AnnotationError,
    Prediction,
    Qid,
    ScoredWindow,
    parse_annotations,
    parse_predictions,
    prediction_line,
)
from alignment.embedding_store import build_store
from alignment.errors import WatchwordError
from alignment.evaluation import judge
from alignment.outcomes import Outcome
from alignment.ranking import Ranking, rank
from alignment.recording import Recording
from alignment.retrieval import Moment, image_to_moments, text_to_moments, words_to_moments
from alignment.trust import Tracked, Trust, trust_in_events, trust_in_seconds
from alignment.types import F32
from daemon.exports import write_atomic
from daemon.media_files import VIDEO_SUFFIXES
from daemon.tagging import FileResult, OnProgress
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
        return event_name(self.qid)


@dataclass(frozen=True, slots=True)
class Watched:
    """What was decided, a prediction a query; what it was decided on, by video; the pictures of queries, embedded."""

    predictions: tuple[Prediction, ...]
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    pictures: Mapping[Qid, F32] = field(default_factory=dict)  # [D], in the space of frames


@dataclass(frozen=True, slots=True)
class Assessment:
    """What became of each query, and how far the probabilities can be trusted. ``seconds``: None without tracks."""

    outcomes: list[Outcome]
    tracks: Mapping[Qid, Tracked]
    events: Trust
    seconds: Trust | None


class Watcher(Protocol):
    """Watches one file for some events; the recording is what it decided on, if it keeps that."""

    def watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        """Watch a file to its end."""

    def embed_pictures(self, paths: Sequence[Path]) -> F32:
        """Embed image files as f32[N, D], as frames are."""


def event_name(qid: Qid) -> str:
    """Return the name of the event that stands for a query."""
    return f"q{qid}"


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


def watch(
    asked: Sequence[Question],
    videos: Mapping[str, Path],
    watcher: Watcher,
    on_progress: OnProgress,
    on_result: Callable[[FileResult], None],
) -> Watched:
    """Let the daemon watch each video for all of its queries; return what it decided, in order of ``asked``.

    Raise ``UnreadableVideosError`` once all files were tried and some failed.
    """
    specs: dict[str, list[EventSpec]] = {vid: [] for vid in videos}
    for q in asked:
        specs[q.vid].append(EventSpec(name=q.event, describe=(q.query,)))
    failed: list[str] = []
    recordings: dict[str, Recording] = {}
    found: dict[str, list[ScoredWindow]] = {q.event: [] for q in asked}
    for vid, path in videos.items():
        result, recording = watcher.watch(path, tuple(specs[vid]), on_progress)
        on_result(result)
        if result.error is not None:
            failed.append(f"{result.path.name}: {result.error}")
        for event in result.events:
            found[event.event].append((event.start, event.end, event.score))
        if recording is not None:
            recordings[vid] = recording
    if failed:
        raise UnreadableVideosError(f"{len(failed)} of {len(specs)} videos could not be read: {_some(failed)}")
    ranked = {name: tuple(sorted(windows, key=lambda w: (-w[2], w[0]))) for name, windows in found.items()}
    return Watched(tuple(Prediction(q.qid, ranked[q.event]) for q in asked), recordings)


def find_pictures(annotations: Iterable[Annotation], folder: Path) -> dict[Qid, Path]:
    """Return the picture of each query that has one; ``folder`` is that of the annotation file.

    Raise ``AnnotationError`` naming those that are not there.
    """
    pictures = {a.qid: folder / a.image for a in annotations if a.image}
    missing = [str(path) for path in pictures.values() if not path.is_file()]
    if missing:
        raise AnnotationError(f"there is no picture {_some(missing)}", "an image is a path from the annotation file")
    return pictures


def embed_pictures(pictures: Mapping[Qid, Path], watcher: Watcher) -> dict[Qid, F32]:
    """Return each picture as f32[D]; raise ``SourceInvalid`` for one that is none."""
    rows = watcher.embed_pictures(list(pictures.values())) if pictures else ()
    return dict(zip(pictures, rows, strict=True))


def assess(annotations: Sequence[Annotation], watched: Watched) -> Assessment:
    """Hold what was decided, and the scores behind it, against the annotations."""
    outcomes = judge(annotations, watched.predictions)
    tracks = {a.qid: _track(a, watched.recordings[a.vid]) for a in annotations if a.vid in watched.recordings}
    seconds = trust_in_seconds(list(tracks.values())) if tracks else None
    return Assessment(outcomes, tracks, trust_in_events(outcomes), seconds)


def search(annotations: Iterable[Annotation], watched: Watched) -> dict[str, Ranking]:
    """Search each query that has windows in what is stored (int8) of its own video; return the figures by search.

    ``text``: descriptions of what is seen. ``spoken``: of what is said. ``image``: the pictures of queries.
    """
    stores = {vid: build_store([r.features]) for vid, r in watched.recordings.items()}
    answers: dict[str, list[tuple[Annotation, Sequence[Moment]]]] = {"text": [], "spoken": [], "image": []}
    for a in annotations:
        if not a.windows or a.vid not in stores:
            continue
        store, query = stores[a.vid], watched.recordings[a.vid].queries[event_name(a.qid)]
        if len(query.vision):
            answers["text"].append((a, text_to_moments(store, query)))
        if len(query.speech):
            answers["spoken"].append((a, words_to_moments(store, query)))
        if a.qid in watched.pictures:
            answers["image"].append((a, image_to_moments(store, watched.pictures[a.qid])))
    return {name: rank(found) for name, found in answers.items() if found}


def _track(a: Annotation, recording: Recording) -> Tracked:
    return Tracked(recording.features.window.bounds, recording.scores[event_name(a.qid)], a.duration, a.windows)


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
