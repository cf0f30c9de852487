"""Whether a head is better than none, judged by events that it was not made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignment.personal.fitting import Judged, fit
from alignment.personal.head import Head
from alignment.personal.samples import Samples

FOLDS = 10  # at most; with fewer events each is left out alone
LOST = 0.05  # of the events that are right, at most so many may be lost


@dataclass(frozen=True, slots=True)
class Trial:
    """Events that people judged: how many there are, and how many are reported with the head."""

    right: int
    wrong: int
    right_kept: int
    wrong_kept: int

    @property
    def better(self) -> bool:
        """Return whether fewer wrong ones are reported, and no more than ``LOST`` of the right ones lost."""
        return self.wrong_kept < self.wrong and self.right - self.right_kept <= LOST * self.right


def cross_validate(events: Sequence[Judged]) -> Trial:
    """Return how heads do on events that were left out when they were made."""
    folds = min(FOLDS, len(events))
    kept = dict[bool, int]({True: 0, False: 0})
    for fold in range(folds):
        others = [event for i, event in enumerate(events) if i % folds != fold]
        head = fit(others) if others else None
        for event in events[fold::folds]:
            kept[event.right] += reported(event.samples, event.threshold, head)
    right = sum(event.right for event in events)
    return Trial(right, len(events) - right, kept[True], kept[False])


def reported(samples: Samples, threshold: float, head: Head | None) -> bool:
    """Return whether an event with these clips begins: whether any of them reaches the logit ``threshold``."""
    offsets = head.offsets(samples) if head is not None else 0.0
    return bool((samples.logits + offsets >= threshold).any())
