"""Whether a head is better than none, judged by events that it was not made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignment.personal.fitting import Judged, fit
from alignment.personal.head import Head
from alignment.personal.samples import Samples

FOLDS = 10  # at most; with fewer events each is left out alone
WORTH = 2  # wrong events that must go for a right one that is lost
ALONE = 2  # so many wrong events may all be of different things, so that none tells of another


@dataclass(frozen=True, slots=True)
class Trial:
    """Events that people judged: how many there are, and how many are reported with the head."""

    right: int
    wrong: int
    right_kept: int
    wrong_kept: int

    @property
    def harms(self) -> bool:
        """Return whether right events are lost that are not worth the wrong ones that go."""
        return WORTH * (self.right - self.right_kept) > self.wrong - self.wrong_kept


def is_better(events: Sequence[Judged], head: Head, left_out: Trial) -> bool:
    """Return whether a head is better than none: on what it was made of, and without harm on what was left out.

    ``left_out``: of ``cross_validate``. More than ``ALONE`` wrong events must tell of each other.
    """
    kept = [reported(event.samples, event.threshold, head) for event in events]
    wrong = sum(not event.right and not stays for event, stays in zip(events, kept, strict=True))
    lost = sum(event.right and not stays for event, stays in zip(events, kept, strict=True))
    repeats = left_out.wrong_kept < left_out.wrong or left_out.wrong <= ALONE
    return wrong > WORTH * lost and repeats and not left_out.harms


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
