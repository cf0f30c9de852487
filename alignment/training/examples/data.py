"""Batches of training examples as a function of the step's number, so that a run can be resumed."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from alignment.aligners.trained.batches import Sample

Batches = Callable[[int], Sequence[Sample]]
"""Returns the examples of a step, counted from 0. The same number gives the same examples."""

T = TypeVar("T", covariant=True)
S = TypeVar("S")
MIXED = 32  # batches that share one block of streams


class Indexed(Protocol[T]):
    """A finite collection."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, i: int, /) -> T:
        """Return one item."""
        ...


def shuffled(
    examples: Indexed[Callable[[np.random.Generator], S]], batch_size: int, seed: int
) -> Callable[[int], Sequence[S]]:
    """Return batches over ``examples``, in a new random order each epoch; the last batch of an epoch may be smaller.

    An example is a function of a random generator: it may cut a different window each time.
    """
    per_epoch = -(-len(examples) // batch_size)

    def batch(step: int) -> list[S]:
        """Return the examples of a step."""
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(examples))
        chosen = order[place * batch_size : (place + 1) * batch_size]
        return [examples[int(i)](np.random.default_rng([seed, epoch, int(i)])) for i in chosen]

    return batch


class _Mixed:
    """Batches drawn from blocks of streams, so that the samples of one stream are spread over many steps."""

    def __init__(self, stream: Callable[[int], Sequence[Sample]], streams: int, seed: int) -> None:
        self._stream, self._streams, self._seed = stream, streams, seed
        self._block: tuple[int, list[Sample]] = (-1, [])

    def __call__(self, step: int) -> list[Sample]:
        block, place = divmod(step, MIXED)
        if block != self._block[0]:
            size = self._streams * MIXED
            samples = [s for number in range(block * size, (block + 1) * size) for s in self._stream(number)]
            order = np.random.default_rng([self._seed, block]).permutation(len(samples))
            self._block = block, [samples[i] for i in order]
        return self._block[1][place::MIXED]


def streamed(stream: Callable[[int], Sequence[Sample]], streams: int, seed: int = 0) -> Batches:
    """Return endless batches, each with as many samples as ``streams`` streams, mixed from many (``Synthesiser``)."""
    return _Mixed(stream, streams, seed)
