"""Rate limits: token buckets by client address, in bounded memory.

A full bucket allows ``burst`` requests at once, and ``per_s`` a second are added. An IPv6 client is its /64 network,
because it may choose any address in it.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address

from daemon.http.access import Address
from workers.clock import Clock, SystemClock

KEPT = 4096  # addresses; the least recently used one is forgotten first


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimit:
    """One limit for many clients. For one thread."""

    def __init__(self, burst: int, per_s: float, clock: Clock | None = None) -> None:
        self._burst, self._per_s = burst, per_s
        self._clock = clock or SystemClock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> int:
        """Count a request; return 0, or the seconds to wait if it is one too many."""
        bucket = self._buckets.pop(client, None) or _Bucket(self._burst, self._clock.monotonic())
        self._buckets[client] = self._refilled(bucket)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        if bucket.left >= 1:
            bucket.left -= 1
        else:
            return self._wait(bucket)
        return 0

    def wait(self, client: str) -> int:
        """Return the seconds to wait, 0 for none, without counting."""
        bucket = self._buckets.get(client)
        return self._wait(self._refilled(bucket)) if bucket else 0

    def _refilled(self, bucket: _Bucket) -> _Bucket:
        now = self._clock.monotonic()
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._per_s)
        bucket.at = now
        return bucket

    def _wait(self, bucket: _Bucket) -> int:
        return 0 if bucket.left >= 1 else math.ceil((1 - bucket.left) / self._per_s)


def client_key(address: Address | None) -> str:
    """Return the key under which a client is counted."""
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
