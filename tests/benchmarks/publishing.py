"""How fast events reach the disk and Redis: ``python tests/benchmarks/publishing.py [--events N]``.

A real Valkey server (its file synced before it answers), a real disk under the working folder's ``.watchword``.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workers.publish.embedded import EmbeddedServer
from workers.publish.redis_settings import RedisSettings, connect
from workers.publish.redis_stream import BATCH, EventScript, RedisSink
from workers.publish.spool import Spool
from workers.redaction import RedactedUrl
from workers.types import Event


def body_of(number: int) -> Event:
    """An event of the usual size, about three kilobytes."""
    head = {"type": "new", "id": f"{number:020x}", "revision": 0, "camera": "door", "event": "cat"}
    times = {"start": 1.0, "end": 9.0, "score": 0.9}
    body = head | times | {"schema": 1, "score_track": [[n / 7, 0.5] for n in range(75)], "padding": "x" * 1000}
    return Event("new", str(head["id"]), 0, "door", "cat", 1.0, 9.0, 0.9, body)


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
    events = [body_of(n) for n in range(count)]
    Path(".watchword").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=".watchword") as folder, EmbeddedServer(Path(folder)) as url:
        settings = RedisSettings(RedactedUrl(url))
        spool = Spool(Path(folder) / "spool")
        few = events[: count // 5]
        rate("spool: append and sync, one by one", len(few), lambda: [spool.append([e]) for e in few])
        rate(f"spool: append and sync, {BATCH} at a time", count, lambda: batched(spool.append, events))
        spool.close()
        client = connect(settings)
        script = EventScript(client, settings)
        rate("Redis: guarded publish, one a call", count, lambda: [script.add([e]) for e in events])
        client.flushdb()
        rate(f"Redis: guarded publish, {BATCH} a call", count, lambda: batched(script.add, events))
        rate(f"Redis: the same again, all known, {BATCH} a call", count, lambda: batched(script.add, events))
        client.flushdb()
        sink = RedisSink(settings, Spool(Path(folder) / "sink"))
        rate(f"sink: spool and Redis, {BATCH} a call", count, lambda: (batched(sink.publish, events), sink.flush(60)))
        sink.close()
        assert client.xlen(settings.stream) == count
        client.close()


def batched(work: Callable[[list[Event]], object], events: list[Event]) -> None:
    """Hand events over in batches."""
    for first in range(0, len(events), BATCH):
        work(events[first : first + BATCH])


if __name__ == "__main__":
    main()
