"""Which examples each step of training sees: a function of the step's number, so that a run can be continued."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from alignment.batches import Sample

Batches = Callable[[int], Sequence[Sample]]
"""The examples of a step, counted from 0. The same number gives the same examples."""

T = TypeVar("T", covariant=True)


class Indexed(Protocol[T]):
    """A finite collection."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, i: int, /) -> T:
        """Return one item."""
        ...


def shuffled(examples: Indexed[Callable[[np.random.Generator], Sample]], batch_size: int, seed: int) -> Batches:
    """Return batches over ``examples``, each epoch in its own order; the last batch of an epoch may be smaller.

    An example is a function of a random generator: it may cut its window elsewhere each time.
    """
    per_epoch = -(-len(examples) // batch_size)

    def batch(step: int) -> list[Sample]:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(examples))
        chosen = order[place * batch_size : (place + 1) * batch_size]
        return [examples[int(i)](np.random.default_rng([seed, epoch, int(i)])) for i in chosen]

    return batch


def streamed(stream: Callable[[int], Sequence[Sample]], streams: int) -> Batches:
    """Return endless batches, each of the samples of the next ``streams`` numbered streams: see ``Synthesiser``."""
    return lambda step: [sample for i in range(step * streams, (step + 1) * streams) for sample in stream(i)]
