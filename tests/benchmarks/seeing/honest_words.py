"""How well ``watchword check`` foretells what will not be found.

``python -m tests.benchmarks.seeing.honest_words --annotations A.jsonl --predictions P.jsonl``, both options as often as
there are sets, compares its warnings with what ``watchword eval --predictions P.jsonl`` found. A description counts as
*found* if at least half of its true windows, in all videos of its set, are matched at tIoU 0.3; descriptions without a
true window say nothing. Prints the share of the descriptions not found that are warned of (bar: at least 0.9), the
share of those found that are (bar: at most 0.1), and lists the descriptions in both wrong cells.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.evaluation.metrics import judge as compare
from daemon.evaluation.run import read_annotations, read_predictions
from workers.encoders.lite.texts import LiteTexts
from workers.queries.judging import judge
from workers.queries.names import Nearest, nearest_names
from workers.types import EventSpec

TIOU = 0.3
FOUND = 0.5  # share of the true windows


@dataclass(frozen=True, slots=True)
class Foretold:
    """One description: the share of its true windows that were found, and what it was warned of."""

    text: str
    recall: float
    windows: int
    problem: str | None

    @property
    def found(self) -> bool:
        """Return whether it counts as found."""
        return self.recall >= FOUND


def foretold(annotations: Path, predictions: Path, nearest: Nearest) -> list[Foretold]:
    """Return every description of a set that has true windows."""
    true, hits = defaultdict[str, int](int), defaultdict[str, int](int)
    for outcome in compare(read_annotations(annotations), read_predictions(predictions)):
        true[outcome.annotation.query] += len(outcome.annotation.windows)
        hits[outcome.annotation.query] += len(outcome.matches[TIOU])
    return [Foretold(text, hits[text] / n, n, _problem(text, nearest)) for text, n in true.items() if n]


def _problem(text: str, nearest: Nearest) -> str | None:
    (judgement,) = judge(EventSpec("e", (text,)), "lite", nearest=nearest)
    return judgement.remark  # what is found only near the camera is told, too


def _rate(name: str, of: Sequence[Foretold]) -> str:
    warned = sum(f.problem is not None for f in of)
    return f"{name}: {warned} of {len(of)} warned of" + (f" ({warned / len(of):.2f})" if of else "")


def report(descriptions: Iterable[Foretold]) -> str:
    """Return both rates, and the descriptions that were warned of wrongly or not."""
    every = list(descriptions)
    missed, found = [f for f in every if not f.found], [f for f in every if f.found]
    lines = [_rate("not found", missed), _rate("found", found), "", "not found, no warning:"]
    lines += [f"  {f.text!r}: recall {f.recall:.2f} of {f.windows}" for f in missed if f.problem is None]
    lines += ["found, but warned of:"]
    lines += [f"  {f.text!r}: recall {f.recall:.2f} of {f.windows}: {f.problem}" for f in found if f.problem]
    return "\n".join(lines)


def main() -> None:
    """Print the report of each set, and of all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, action="append", required=True)
    parser.add_argument("--predictions", type=Path, action="append", required=True)
    given = parser.parse_args()
    nearest, every = nearest_names(LiteTexts()), []
    for annotations, predictions in zip(given.annotations, given.predictions, strict=True):
        found = foretold(annotations, predictions, nearest)
        every += found
        print(f"== {annotations}\n{report(found)}\n")
    print(f"== all\n{report(every)}")


if __name__ == "__main__":
    main()
