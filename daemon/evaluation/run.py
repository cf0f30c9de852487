"""Evaluation of the daemon's own decisions on annotated videos against the annotations.

Prediction gets a ``Question``: the query and the video. It does not get windows, kinds and sources, so that no
decision can depend on them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from alignment.errors import ExitCode, WatchwordError
from alignment.evaluation.annotations import (
    Annotation,
    AnnotationError,
    Prediction,
    Qid,
    parse_annotations,
    parse_predictions,
    prediction_line,
)
from alignment.evaluation.metrics import judge
from alignment.evaluation.per_query import Outcome
from alignment.evaluation.ranking import Ranking, rank
from alignment.evaluation.reliability import Tracked, Trust, trust_in_events, trust_in_seconds
from alignment.search.embedding_store import build_store
from alignment.search.recorder import Recording
from alignment.search.retrieval import Moment, image_to_moments, text_to_moments, words_to_moments
from alignment.types import F32
from daemon.offline.exports import write_atomic
from daemon.offline.media_files import VIDEO_SUFFIXES
from daemon.offline.tagging import FileResult, OnProgress
from workers.events.event import Event
from workers.types import EventSpec

NAMED_AT_MOST = 10


class MissingVideosError(WatchwordError):
    """The folder lacks an annotated video, or has several files with its name."""

    code = "videos_missing"
    exit_code = ExitCode.INPUT_UNREADABLE
    remedy = "give the folder whose file names are the vids of the annotations"


class UnreadableVideosError(WatchwordError):
    """Annotated videos could not be read; metrics of the other videos would mislead, so none are reported."""

    code = "videos_unreadable"
    exit_code = ExitCode.INPUT_UNREADABLE
    remedy = "replace the videos that the message names, or remove them from the annotations"


@dataclass(frozen=True, slots=True)
class Question:
    """The part of an annotation that prediction may use."""

    qid: Qid
    query: str
    vid: str

    @property
    def event(self) -> str:
        """Return the name of the event that represents this query."""
        return event_name(self.qid)


@dataclass(frozen=True, slots=True)
class Watched:
    """The decisions, one prediction per query; the recordings, by video; the embedded image of each query."""

    predictions: tuple[Prediction, ...]
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    pictures: Mapping[Qid, F32] = field(default_factory=dict)  # [D], in the space of frames


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome of each query, and the calibration of events and of seconds. ``seconds``: None without tracks."""

    outcomes: list[Outcome]
    tracks: Mapping[Qid, Tracked]
    events: Trust
    seconds: Trust | None


class Watcher(Protocol):
    """Watches one file for events; also returns a recording of the features, if it keeps one."""

    def watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        """Watch a file to its end."""

    def embed_pictures(self, paths: Sequence[Path]) -> F32:
        """Embed image files as f32[N, D], as frames are."""


def event_name(qid: Qid) -> str:
    """Return the name of the event that represents a query."""
    return f"q{qid}"


def questions(annotations: Iterable[Annotation]) -> tuple[Question, ...]:
    """Return the annotations as questions, without their windows."""
    return tuple(Question(a.qid, a.query, a.vid) for a in annotations)


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """Read an annotation file; raise ``AnnotationError``, also for an empty file."""
    annotations = parse_annotations(_lines(path), str(path))
    if not annotations:
        raise AnnotationError(f"{path} has no annotations", "the file has one JSON object per line")
    return annotations


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read a prediction file; raise ``AnnotationError``."""
    return parse_predictions(_lines(path), str(path))


def write_predictions(path: Path, asked: Sequence[Question], predictions: Sequence[Prediction]) -> None:
    """Write one line per query, also for those without events; raise ``ExportError``."""
    by_qid = {p.qid: p for p in predictions}
    write_atomic(path, "".join(prediction_line(q.query, q.vid, by_qid[q.qid]) for q in asked))


def find_videos(folder: Path, vids: Iterable[str]) -> dict[str, Path]:
    """Return the file of each video name; ``MissingVideosError`` lists names with no file or several."""
    if not folder.is_dir():
        raise MissingVideosError(f"{folder} is not a folder", "give the folder that holds the annotated videos")
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
        raise MissingVideosError(f"{folder} has several files of one name: {_some(double)}", "keep one of each")
    return {vid: files[vid][0] for vid in wanted}


def watch(
    asked: Sequence[Question],
    videos: Mapping[str, Path],
    watcher: Watcher,
    on_progress: OnProgress,
    on_result: Callable[[FileResult], None],
) -> Watched:
    """Watch each video for all of its queries; return the decisions in order of ``asked``.

    Raise ``UnreadableVideosError`` if some files failed, after all were tried.
    """
    specs: dict[str, list[EventSpec]] = {vid: [] for vid in videos}
    for q in asked:
        specs[q.vid].append(EventSpec(name=q.event, describe=(q.query,)))
    failed: list[str] = []
    recordings: dict[str, Recording] = {}
    found: dict[str, list[Event]] = {q.event: [] for q in asked}
    alerts: dict[str, float] = {}
    for vid, path in videos.items():
        result, recording = watcher.watch(path, tuple(specs[vid]), on_progress)
        on_result(result)
        if result.error is not None:
            failed.append(f"{result.path.name}: {result.error}")
        for event in result.events:
            found[event.event].append(event)
        if recording is not None:
            recordings[vid] = recording
            alerts |= recording.alerts
    if failed:
        raise UnreadableVideosError(f"{len(failed)} of {len(specs)} videos could not be read: {_some(failed)}")
    return Watched(tuple(_prediction(q.qid, found[q.event], alerts) for q in asked), recordings)


def find_pictures(annotations: Iterable[Annotation], folder: Path) -> dict[Qid, Path]:
    """Return the image file of each query that has one; ``folder`` is that of the annotation file.

    Raise ``AnnotationError`` with the names of missing files.
    """
    pictures = {a.qid: folder / a.image for a in annotations if a.image}
    missing = [str(path) for path in pictures.values() if not path.is_file()]
    if missing:
        raise AnnotationError(f"there is no image {_some(missing)}", "give paths relative to the annotation file")
    return pictures


def embed_pictures(pictures: Mapping[Qid, Path], watcher: Watcher) -> dict[Qid, F32]:
    """Return the embedding f32[D] of each image; raise ``SourceInvalid`` if a file is not an image."""
    rows = watcher.embed_pictures(list(pictures.values())) if pictures else ()
    return dict(zip(pictures, rows, strict=True))


def assess(annotations: Sequence[Annotation], watched: Watched) -> Assessment:
    """Compare the decisions, and their scores, with the annotations."""
    outcomes = judge(annotations, watched.predictions)
    tracks = {a.qid: _track(a, watched.recordings[a.vid]) for a in annotations if a.vid in watched.recordings}
    seconds = trust_in_seconds(list(tracks.values())) if tracks else None
    return Assessment(outcomes, tracks, trust_in_events(outcomes), seconds)


def search(annotations: Iterable[Annotation], watched: Watched) -> dict[str, Ranking]:
    """Search each query with windows in the stored embeddings (int8) of its video; return the metrics by search.

    ``text``: visual descriptions. ``spoken``: descriptions of speech. ``image``: images of queries.
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


def _prediction(qid: Qid, events: Iterable[Event], alerts: Mapping[str, float]) -> Prediction:
    """Return the events of one query by falling score, with the alert times if all are known."""
    ranked = sorted(events, key=lambda e: (-e.score, e.start))
    times = tuple(alerts[e.id] for e in ranked if e.id in alerts)
    windows = tuple((e.start, e.end, e.score) for e in ranked)
    return Prediction(qid, windows, alerts=times if len(times) == len(ranked) else None)


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
