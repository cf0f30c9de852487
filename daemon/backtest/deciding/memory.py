"""What the network made of looks before, shard by shard: the next threshold of the same description needs no model."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, fields, replace
from weakref import WeakKeyDictionary, ref

import numpy as np

from alignment.types import F32, Bools, EventQuery
from workers.index.shard import Shard
from workers.types import Areas

MOST = 4  # descriptions, the latest; one takes 5 bytes a frame: 24 MB for a week of eight cameras


@dataclass(frozen=True, slots=True)
class ShardLooks:
    """Logits f32[N] of the frames of a shard, where ``known`` bool[N]. They depend on the shards beside it, too."""

    before: "ref[Shard]"
    after: bytes  # the first frame of the next shard
    known: Bools
    logits: F32


class KnownLooks:
    """The logits of one description. They vanish with the shards, from which they were made."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[Shard, ShardLooks] = WeakKeyDictionary()

    def of(self, shard: Shard, before: Shard, after: Shard) -> ShardLooks:
        """Return what is known of a shard between two others, to be read and completed."""
        known, first = self._found.get(shard), _first_frame(after)
        if known is None or known.before() is not before or known.after != first:
            count = len(shard.t)
            known = ShardLooks(ref(before), first, np.zeros(count, bool), np.zeros(count, np.float32))
            self._found[shard] = known
        return known


class LooksMemory:
    """The logits of the latest descriptions. From any thread."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, KnownLooks] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, query: EventQuery, areas: Areas, models: str) -> KnownLooks:
        """Return what is known of a description in a part of the frame; ``models`` names those that decide."""
        name = _digest(query, areas, models)
        with self._lock:
            found = self._found.setdefault(name, KnownLooks())
            self._found.move_to_end(name)
            while len(self._found) > MOST:
                self._found.popitem(last=False)
        return found


def _first_frame(shard: Shard) -> bytes:
    return bytes(shard.frames[:1].tobytes() + shard.scale[:1].tobytes() + shard.columns["zone_frames"][:1].tobytes())


def _digest(query: EventQuery, areas: Areas, models: str) -> str:
    """Return a hash of all that the network reads of a query, and of what it compares it with."""
    plain = replace(query, event="", vocabulary=np.zeros((0, 0), np.float32))
    found = hashlib.sha256(repr((areas, models)).encode())
    for field in fields(plain):
        value = getattr(plain, field.name)
        found.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return found.hexdigest()
