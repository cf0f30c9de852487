"""Annotated queries and decided events as JSON Lines, one object per line, in the QVHighlights format.

An annotation line has ``qid``, ``query``, ``vid``, ``duration`` (s), ``relevant_windows`` ([[start, end], …],
empty if the event never happens) and, if known, ``modality``, ``kind``, ``source`` and ``image`` (an image file of
the described event, with a path relative to the annotation file), and ``relevant_clip_ids`` with ``saliency_scores``
(ratings of these clips of 2 s, a list for each). A prediction line has ``qid`` and ``pred_relevant_windows`` ([[start,
end, score], …]; the score may be missing and is then 1), and perhaps ``pred_alert_times`` (for each window, the stream
second in which it was first reported) and ``pred_saliency_scores`` (a number per clip).
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from alignment.errors import ExitCode, WatchwordError

Qid = int | str
Window = tuple[float, float]  # start, end, s
ScoredWindow = tuple[float, float, float]  # start, end, s; score
ClipRatings = tuple[int, tuple[float, ...]]  # number of a clip, rating of each annotator

UNLABELLED = "unlabelled"
FAMILIES = ("person", "vehicle", "thing", "animal", "scene", "action", "sound", "speech")
# An event without a usable time was still reported: it is placed before every video, where it touches no true window,
# so it counts as a false alert.
NOWHERE: Window = (-2.0, -1.0)

T = TypeVar("T")


class AnnotationError(WatchwordError):
    """An annotation or prediction file cannot be read, or one of its lines is invalid."""

    code = "annotations_invalid"
    exit_code = ExitCode.INPUT_UNREADABLE
    remedy = "correct the line that the message names; the file has one JSON object per line"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One query on one video and the windows in which it is true."""

    qid: Qid
    query: str
    vid: str
    duration: float  # s
    windows: tuple[Window, ...]
    modality: str = UNLABELLED
    kind: str = UNLABELLED
    source: str = UNLABELLED
    image: str | None = None
    saliency: tuple[ClipRatings, ...] = ()  # of the clips in or near the windows

    @property
    def family(self) -> str:
        """Return what the query is about: one of ``FAMILIES`` if its labels name one, else its source.

        An absent query has the family of the thing that it asks for.
        """
        named = (label for label in (self.source, self.kind, self.modality) if label in FAMILIES)
        return next(named, self.source)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The events of one query, as listed. ``invalid`` of them had no usable time and are placed ``NOWHERE``."""

    qid: Qid
    windows: tuple[ScoredWindow, ...]
    invalid: int = 0
    saliency: tuple[float, ...] = ()  # of each clip of the video
    alerts: tuple[float, ...] | None = None  # stream seconds in which each window was first reported; None: not known


def parse_annotations(lines: Iterable[str], name: str) -> tuple[Annotation, ...]:
    """Return the annotations in ``lines``; ``AnnotationError`` names the file's ``name`` and the line's number."""
    return _parse(lines, name, _annotation, lambda a: a.qid)


def parse_predictions(lines: Iterable[str], name: str) -> tuple[Prediction, ...]:
    """Return the predictions in ``lines``; ``AnnotationError`` names the file's ``name`` and the line's number."""
    return _parse(lines, name, _prediction, lambda p: p.qid)


def prediction_line(query: str, vid: str, prediction: Prediction) -> str:
    """Return one line of a prediction file, with its line end; saliency is not written."""
    row: dict[str, Any] = {
        "qid": prediction.qid,
        "query": query,
        "vid": vid,
        "pred_relevant_windows": [list(w) for w in prediction.windows],
    }
    if prediction.alerts is not None:
        row["pred_alert_times"] = list(prediction.alerts)
    return json.dumps(row, ensure_ascii=False) + "\n"


def _parse(
    lines: Iterable[str], name: str, build: Callable[[dict[str, Any]], T], qid_of: Callable[[T], Qid]
) -> tuple[T, ...]:
    parsed: list[T] = []
    first_line: dict[str, int] = {}
    for number, row in _objects(lines, name):
        try:
            item = build(row)
        except ValueError as e:
            raise AnnotationError(f"{name}:{number}: {e}", "correct or remove the line") from e
        qid = str(qid_of(item))
        if qid in first_line:
            raise AnnotationError(
                f"{name}:{number}: qid {qid} is already in line {first_line[qid]}",
                "write one line per query",
            )
        first_line[qid] = number
        parsed.append(item)
    return tuple(parsed)


def _objects(lines: Iterable[str], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as e:
            raise AnnotationError(f"{name}:{number}: not JSON: {e}", "the file has one JSON object per line") from e
        if not isinstance(row, dict):
            raise AnnotationError(f"{name}:{number}: not a JSON object", "the file has one JSON object per line")
        yield number, row


def _annotation(row: dict[str, Any]) -> Annotation:
    duration = _number(row, "duration")
    if not 0 < duration < math.inf:
        raise ValueError(f"duration is {duration}, not a number of seconds above 0")
    windows = []
    for window in _list(row, "relevant_windows"):
        values = _floats(window)
        if len(values) != 2 or not all(map(math.isfinite, values)) or values[1] <= values[0]:
            raise ValueError(f"relevant_windows has {window}, not [start, end] with end after start")
        windows.append((values[0], values[1]))
    labels = {key: str(row[key]) for key in ("modality", "kind", "source", "image") if row.get(key) is not None}
    rated = all(row.get(key) is not None for key in ("relevant_clip_ids", "saliency_scores"))  # else of unknown clips
    saliency = tuple(_saliency(row)) if rated else ()
    query, vid = _text(row, "query"), _text(row, "vid")
    return Annotation(_qid(row), query, vid, duration, tuple(windows), **labels, saliency=saliency)


def _saliency(row: dict[str, Any]) -> Iterator[ClipRatings]:
    clips, ratings = _list(row, "relevant_clip_ids"), _list(row, "saliency_scores")
    if len(clips) != len(ratings):
        raise ValueError(f"{len(clips)} relevant_clip_ids have {len(ratings)} saliency_scores")
    for clip, given in zip(clips, ratings, strict=True):
        if isinstance(clip, bool) or not isinstance(clip, int) or clip < 0:
            raise ValueError(f"relevant_clip_ids has {clip!r}, not the number of a clip")
        yield clip, tuple(_floats(given))


def _prediction(row: dict[str, Any]) -> Prediction:
    listed = _list(row, "pred_relevant_windows") if row.get("pred_relevant_windows") is not None else []
    windows = [_floats(window) for window in listed]
    usable = [_usable(w) for w in windows]
    placed = tuple(_placed(w, ok) for w, ok in zip(windows, usable, strict=True))
    saliency = row.get("pred_saliency_scores")
    return Prediction(
        _qid(row),
        placed,
        usable.count(False),
        saliency=tuple(_floats(saliency)) if saliency is not None else (),
        alerts=_alerts(row["pred_alert_times"], len(placed)) if row.get("pred_alert_times") is not None else None,
    )


def _alerts(listed: Any, windows: int) -> tuple[float, ...]:
    alerts = _floats(listed)
    if len(alerts) != windows or not all(map(math.isfinite, alerts)):
        raise ValueError(f"pred_alert_times needs one number of seconds for each of {windows} windows")
    return tuple(alerts)


def _usable(window: list[float]) -> bool:
    return len(window) >= 2 and all(map(math.isfinite, window[:3])) and window[1] > window[0]


def _placed(window: list[float], usable: bool) -> ScoredWindow:
    score = window[2] if len(window) > 2 else float(len(window) == 2)
    start, end = (window[0], window[1]) if usable else NOWHERE
    return start, end, score if math.isfinite(score) else 0.0


def _qid(row: dict[str, Any]) -> Qid:
    qid = row.get("qid")
    if isinstance(qid, bool) or not isinstance(qid, int | str):
        raise ValueError("qid is missing, or neither an integer nor text")
    return qid


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} is missing or not text")
    return value


def _number(row: dict[str, Any], key: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is missing or not a number")
    return float(value)


def _list(row: dict[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{key} is missing or not a list")
    return value


def _floats(window: Any) -> list[float]:
    if not isinstance(window, list) or not all(isinstance(x, int | float) for x in window):
        raise ValueError(f"{window!r} is not a list of numbers")
    return [float(x) for x in window]
