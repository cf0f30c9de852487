"""glibc's allocator, told to keep what a forward pass frees.

By default glibc hands every pass's activations back to the kernel and faults them in again: EfficientNet-Lite0 falls
from 41 to 22 frames/s between batch 8 and 32. Kept, it reaches 61 to 63 (two cores).
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # malloc.h

_SETTINGS = (
    (_M_MMAP_THRESHOLD, 1 << 30),
    (_M_TRIM_THRESHOLD, (1 << 31) - 1),
    (_M_TOP_PAD, 64 << 20),
    (_M_ARENA_MAX, 1),
)


def tune_allocator() -> bool:
    """Keep freed memory in this process; return whether its C library took all settings (only glibc can).

    For processes whose work is a model's forward passes: memory use stays at its peak.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # no dynamic C library, or one without mallopt (musl)
        return False
    return [mallopt(name, value) for name, value in _SETTINGS] == [1] * len(_SETTINGS)
