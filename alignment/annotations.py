"""Annotated queries and decided events as JSON Lines, one object a line, in the QVHighlights format.

An annotation line has ``qid``, ``query``, ``vid``, ``duration`` (s), ``relevant_windows`` ([[start, end], …],
empty where the described thing never happens) and, where known, ``modality``, ``kind``, ``source`` and ``image`` (a
picture of what is described, its path as seen from the annotation file). A prediction line has ``qid`` and
``pred_relevant_windows`` ([[start, end, score], …]; the score may be missing and is then 1).
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from alignment.errors import WatchwordError

Qid = int | str
Window = tuple[float, float]  # start, end, s
ScoredWindow = tuple[float, float, float]  # start, end, s; score

UNLABELLED = "unlabelled"
# An event without a place in time is still an event that somebody was told of: it stands before every video,
# where it touches no true window, and counts as a false alert.
NOWHERE: Window = (-2.0, -1.0)

T = TypeVar("T")


class AnnotationError(WatchwordError):
    """A line of an annotation or prediction file that does not say what it should."""

    code = "annotations_invalid"


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


@dataclass(frozen=True, slots=True)
class Prediction:
    """The events decided for one query. ``invalid`` of them had no usable time and stand ``NOWHERE``."""

    qid: Qid
    windows: tuple[ScoredWindow, ...]
    invalid: int = 0


def parse_annotations(lines: Iterable[str], name: str) -> tuple[Annotation, ...]:
    """Return what ``lines`` annotate; ``AnnotationError`` gives the file's ``name`` and the line's number."""
    return _parse(lines, name, _annotation, lambda a: a.qid)


def parse_predictions(lines: Iterable[str], name: str) -> tuple[Prediction, ...]:
    """Return what ``lines`` predict; ``AnnotationError`` gives the file's ``name`` and the line's number."""
    return _parse(lines, name, _prediction, lambda p: p.qid)


def prediction_line(qid: Qid, query: str, vid: str, windows: Iterable[ScoredWindow]) -> str:
    """Return one line of a prediction file, with its line end."""
    row = {
        "qid": qid,
        "query": query,
        "vid": vid,
        "pred_relevant_windows": [list(w) for w in windows],
    }
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
                f"{name}:{number}: qid {qid} stands in line {first_line[qid]} already",
                "give every query one line",
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
            raise AnnotationError(f"{name}:{number}: not JSON: {e}", "the file has one JSON object a line") from e
        if not isinstance(row, dict):
            raise AnnotationError(f"{name}:{number}: not a JSON object", "the file has one JSON object a line")
        yield number, row


def _annotation(row: dict[str, Any]) -> Annotation:
    duration = _number(row, "duration")
    if not 0 < duration < math.inf:
        raise ValueError(f"duration is {duration}, not a number of seconds above 0")
    windows = []
    for window in _list(row, "relevant_windows"):
        values = _floats(window)
        if len(values) != 2 or not all(map(math.isfinite, values)) or values[1] <= values[0]:
            raise ValueError(f"relevant_windows has {window}, not [start, end] with end behind start")
        windows.append((values[0], values[1]))
    labels = {key: str(row[key]) for key in ("modality", "kind", "source", "image") if row.get(key) is not None}
    return Annotation(_qid(row), _text(row, "query"), _text(row, "vid"), duration, tuple(windows), **labels)


def _prediction(row: dict[str, Any]) -> Prediction:
    listed = _list(row, "pred_relevant_windows") if row.get("pred_relevant_windows") is not None else []
    windows = [_floats(window) for window in listed]
    usable = [_usable(w) for w in windows]
    placed = tuple(_placed(w, ok) for w, ok in zip(windows, usable, strict=True))
    return Prediction(_qid(row), placed, usable.count(False))


def _usable(window: list[float]) -> bool:
    return len(window) >= 2 and all(map(math.isfinite, window[:3])) and window[1] > window[0]


def _placed(window: list[float], usable: bool) -> ScoredWindow:
    score = window[2] if len(window) > 2 else float(len(window) == 2)
    start, end = (window[0], window[1]) if usable else NOWHERE
    return start, end, score if math.isfinite(score) else 0.0


def _qid(row: dict[str, Any]) -> Qid:
    qid = row.get("qid")
    if isinstance(qid, bool) or not isinstance(qid, int | str):
        raise ValueError("qid is missing or neither a whole number nor text")
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
