"""How soon events go on after Redis was away for a minute: each of ``tests/support/serving/faults.py``, real time.

python -m tests.benchmarks.faults.redis_outages [--seconds 60]
Prints a table for docs/faults.md; status 1 where an event was lost, doubled, or out of order, or took over 15 s.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.events import make_event
from tests.support.serving.faults import FAULTS, HARMLESS, Fault, Stage, restarted_empty
from tests.support.serving.redis import BINARIES, ids_in
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import RedisSink
from workers.redaction import RedactedUrl

LIMIT_S = 15.0
BEFORE = 20


def measure(fault: Fault, seconds: float) -> tuple[str, int, float, bool]:
    """Return name, events published, seconds until all were there, and whether each was there once and in order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage = Stage.build(BINARIES["debian-redis"] or BINARIES["valkey"] or "", folder, seconds)
        sink = RedisSink(RedisSettings(RedactedUrl(stage.proxy.url)), EventLog(folder / "log"))
        sink.publish([make_event(n) for n in range(BEFORE)])
        settled = sink.flush(10)
        number, until = BEFORE, time.monotonic() + seconds
        with fault(stage):
            while time.monotonic() < until:
                sink.publish([make_event(number)])
                number += 1
                time.sleep(0.1)
        back = time.monotonic()
        while sink.snapshot().waiting and time.monotonic() - back < 60:  # a flush would cut the back-off short
            time.sleep(0.01)
        took = time.monotonic() - back
        first = BEFORE if fault is restarted_empty else 0
        once = settled and ids_in(stage.server) == [(make_event(n).id, 0) for n in range(first, number)]
        sink.close()
        stage.close()
    return fault.__name__, number, took, once


def main() -> int:
    """Run all faults side by side: each has a server of its own, and mostly waits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    faults = [f for f in FAULTS if f not in HARMLESS]
    with ThreadPoolExecutor(len(faults)) as pool:
        rows = list(pool.map(lambda f: measure(f, seconds), faults))
    print(f"| Redis, for {seconds:g} s | events | each once, in order | all published after |\n|---|---|---|---|")
    for name, events, took, once in rows:
        print(f"| {name.replace('_', ' ')} | {events} | {'yes' if once else 'NO'} | {took:.1f} s |")
    return 0 if all(once and took <= LIMIT_S for _, _, took, once in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
