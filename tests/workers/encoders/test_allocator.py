"""What the allocator of an encoder's process keeps, and gives back."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import numpy as np, psutil
from tests.support.clocks import FakeClock
from workers.encoders.allocator import RELEASE_S, FreedMemory, tune_allocator

def resident():
    return psutil.Process().memory_info().rss >> 20

tune_allocator()
clock = FakeClock()
freed = FreedMemory(clock)
blocks, kept = [], []
for _ in range(100):
    blocks.append(np.ones(1 << 19))  # 4 MiB
    kept.append(np.ones(1 << 10))
full = resident()
blocks.clear()
clock.sleep(RELEASE_S - 1)
freed.release()
early = resident()
clock.sleep(1)
freed.release()
late = resident()
for _ in range(100):
    blocks.append(np.ones(1 << 19))
blocks.clear()
freed.release()
print(full - early, full - late, full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's allocator")
def test_what_was_freed_is_kept_for_a_minute_and_then_given_back() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    early, late, again = map(int, done.stdout.split())
    assert early < 20
    assert late > 350
    assert again < 50  # the next minute has begun
