"""What must have been told, from what was shown and when nobody could look; and the verdict on what was told.

The programme is the bundled sample, over and over: the same things are seen at the same seconds of each round.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.faults import Happened

TIMELINE = Path(__file__).resolve().parents[2] / "daemon" / "sample" / "timeline.json"
ROUND_S = 72.0
SEEN_S = 6.0  # in one piece, to be sure to be recognised
EARLY_S, LATE_S = 3.0, {"hls": 14.0}  # how far a camera's pictures may be off its programme
USUAL_LATE_S = 5.0


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing that a camera showed between two Unix times."""

    camera: str
    event: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run. All lists are empty in a good one but ``strays``, which are the model's."""

    expected: int
    found: int
    lost: tuple[Shown, ...]  # shown long enough while all was well, and never told
    undelivered: tuple[str, ...]  # ids that the log tells and Redis has not
    unended: tuple[str, ...]
    twice: tuple[str, ...]  # ids of entries that came twice, or of events that tell one occurrence again
    strays: int

    @property
    def good(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not (self.lost or self.undelivered or self.unended or self.twice)


def shown(camera: str, began: float, until: float) -> list[Shown]:
    """Return what a camera showed from Unix time ``began`` on, up to ``until``."""
    things = [(t["event"], w) for t in json.loads(TIMELINE.read_text()) if t["modality"] == "vision"
              for w in t["relevant_windows"]]  # fmt: skip
    rounds = range(int((until - began) / ROUND_S) + 1)
    everything = [Shown(camera, name, began + ROUND_S * r + w[0], began + ROUND_S * r + w[1])
                  for r in rounds for name, w in things]  # fmt: skip
    return [s for s in everything if s.end <= until]


def visible_s(thing: Shown, late_s: float, from_s: float, happened: Iterable[Happened]) -> float:
    """Return the longest stretch of seconds in which it could be seen, ``late_s`` after it was shown at most."""
    start, best = max(thing.start, from_s), 0.0
    for trouble in sorted((h for h in happened if h.blinds(thing.camera)), key=lambda h: h.began):
        if start < trouble.over and trouble.began < thing.end + late_s:
            best = max(best, min(trouble.began - late_s, thing.end) - start)
            start = trouble.over
    return max(best, thing.end - start)


def judge(
    things: Sequence[Shown],
    happened: Sequence[Happened],
    entries: Sequence[dict[str, Any]],
    logged: set[str],
    watched: tuple[float, float],
) -> Verdict:
    """Return the verdict. ``entries``: all of the stream; ``logged``: ids that the daemon said it told.

    ``watched``: Unix times between which everything that is shown must be told.
    """
    last = {e["id"]: e for e in sorted(entries, key=lambda e: (e["revision"], e["type"] == "end"))}
    events, names = list(last.values()), {t.event for t in things}
    sure = [t for t in things if t.end <= watched[1]]
    expected = [t for t in sure if visible_s(t, _late(t), watched[0], happened) >= SEEN_S]
    lost = tuple(t for t in expected if not any(_tells(e, t) for e in events))
    same = Counter((e["id"], e["revision"], e["type"], e["start"], e["end"]) for e in entries)
    twice = {key[0] for key, n in same.items() if n > 1} | set(_again(events))
    return Verdict(
        expected=len(expected),
        found=len(expected) - len(lost),
        lost=lost,
        undelivered=tuple(sorted(logged - last.keys())),
        unended=tuple(sorted(last.keys() - {e["id"] for e in entries if e["type"] == "end"})),
        twice=tuple(sorted(twice)),
        strays=sum(e["event"] in names and not any(_tells(e, t) for t in things) for e in events),
    )


def _late(thing: Shown) -> float:
    return LATE_S.get(thing.camera, USUAL_LATE_S)


def _tells(event: dict[str, Any], thing: Shown) -> bool:
    """Tell whether an event is of what was shown."""
    mine = (event["camera"], event["event"]) == (thing.camera, thing.event)
    return bool(mine and event["start"] < thing.end + _late(thing) and event["end"] > thing.start - EARLY_S)


def _again(events: Sequence[dict[str, Any]]) -> Iterable[str]:
    """Yield the ids of events that overlap an earlier one of the same name and camera: one occurrence told again."""
    until: dict[tuple[str, str], float] = {}
    for event in sorted(events, key=lambda e: e["start"]):
        key = (event["camera"], event["event"])
        if event["start"] < until.get(key, float("-inf")):
            yield event["id"]
        until[key] = max(until.get(key, float("-inf")), event["end"])
