"""glibc's allocator, told to keep what a forward pass frees.

By default glibc hands every pass's activations back to the kernel and faults them in again: EfficientNet-Lite0 falls
from 41 to 22 frames/s between batch 8 and 32. Kept, it reaches 61 to 63 (two cores).

Small things that stay are put amid what was freed, large blocks then find no room there, and the heap grows: by 180 MB
within an hour. So what is free is given back once a minute, which costs 30 ms and makes the next pass a little
slower.
"""

import ctypes
import sys
from collections.abc import Callable

from workers.clock import Clock

RELEASE_S = 60.0
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # malloc.h

_SETTINGS = (
    (_M_MMAP_THRESHOLD, 1 << 30),
    (_M_TRIM_THRESHOLD, (1 << 31) - 1),
    (_M_TOP_PAD, 64 << 20),
    (_M_ARENA_MAX, 1),
)


def tune_allocator() -> bool:
    """Keep freed memory in this process; return whether its C library took all settings (only glibc can).

    For processes whose work is a model's forward passes; see ``FreedMemory``.
    """
    mallopt = _libc("mallopt")
    return mallopt is not None and [mallopt(name, value) for name, value in _SETTINGS] == [1] * len(_SETTINGS)


class FreedMemory:
    """Memory that was freed and kept. Call ``release`` after every pass."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._due = clock, clock.monotonic() + RELEASE_S
        self._trim = _libc("malloc_trim")

    def release(self) -> None:
        """Give it back to the kernel where that was not done for a minute."""
        if self._trim is not None and self._clock.monotonic() >= self._due:
            self._trim(0)
            self._due = self._clock.monotonic() + RELEASE_S


def _libc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it has none of that name (musl), or is no dynamic one."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return found
