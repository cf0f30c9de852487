"""How fast events reach the disk and Redis: ``python -m tests.benchmarks.speed.publishing [--events N]``.

A real Valkey server (its file synced before it answers), a real disk under the working folder's ``.watchword``.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.events import make_event
from workers.events.event import Event
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.sink import BATCH, EventScript, RedisSink
from workers.redaction import RedactedUrl


def event_of(number: int) -> Event:
    """An event of the usual size, about three kilobytes."""
    track = [[n / 7, 0.5] for n in range(75)]
    return make_event(id=f"{number:020x}", score_track=track, text="x" * 1000)


def rate(name: str, count: int, work: Callable[[], object]) -> None:
    """Run and print how many events a second that were."""
    start = time.perf_counter()
    work()
    print(f"{name:<46} {count / (time.perf_counter() - start):>9.0f} events/s")


def main() -> None:
    """Measure each stage alone, then all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5000)
    count = parser.parse_args().events
    events = [event_of(n) for n in range(count)]
    Path(".watchword").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=".watchword") as folder, EmbeddedServer(Path(folder)) as url:
        settings = RedisSettings(RedactedUrl(url))
        log = EventLog(Path(folder) / "log")
        few = events[: count // 5]
        rate("event log: append and sync, one by one", len(few), lambda: [log.append([e]) for e in few])
        rate(f"event log: append and sync, {BATCH} at a time", count, lambda: batched(log.append, events))
        log.close()
        client = connect(settings)
        script = EventScript(client, settings)
        rate("Redis: guarded publish, one a call", count, lambda: [script.add([e]) for e in events])
        client.flushdb()
        rate(f"Redis: guarded publish, {BATCH} a call", count, lambda: batched(script.add, events))
        rate(f"Redis: the same again, all known, {BATCH} a call", count, lambda: batched(script.add, events))
        client.flushdb()
        sink = RedisSink(settings, EventLog(Path(folder) / "sink"))
        rate(f"event log and Redis, {BATCH} a call", count, lambda: (batched(sink.publish, events), sink.flush(60)))
        sink.close()
        assert client.xlen(settings.stream) == count
        client.close()


def batched(work: Callable[[list[Event]], object], events: list[Event]) -> None:
    """Hand events over in batches."""
    for first in range(0, len(events), BATCH):
        work(events[first : first + BATCH])


if __name__ == "__main__":
    main()
