"""From the start of the daemon to its first published event.

python -m tests.benchmarks.faults.restart [--rounds 3] [--runtime ray]
The bundled configuration with `lite`, a folder a round. *Cold*: nothing is there yet. *Killed*: its Redis stood still
so that events waited in the event log, and the daemon was killed (SIGKILL) amid its work; it is started again at once.
Seconds from the start of the process to the time of the stream's first entry. Prints each round and the medians, for
docs/figures.md.
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.support.programs.daemon import Running, running, write_config
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.view import LogView
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.reader import Entry, EventFilter, EventReader
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

SAMPLE = Path(__file__).parents[3] / "daemon" / "sample" / "sample.yaml"
PATIENCE_S = 120.0


def configuration(folder: Path, runtime: str) -> Path:
    """Write the bundled configuration with a state folder of its own."""
    sections = yaml.safe_load(SAMPLE.read_text())
    sections["cameras"] = {"sample": {"url": str(SAMPLE.with_suffix(".mp4"))}}
    return write_config(folder, "lite", **sections | {"state_dir": "state", "runtime": runtime})


@contextmanager
def started(config: Path, folder: Path) -> Iterator[tuple[Running, float]]:
    """Start a daemon; tell when, Unix seconds."""
    at = time.time()
    with running(config, folder) as daemon:
        yield daemon, at


def first_entry(daemon: Running, folder: Path) -> Entry:
    """Wait for what is published first."""
    daemon.wait_for("listening")
    end = time.monotonic() + PATIENCE_S
    while (url := EmbeddedServer.discover(folder / "state")) is None:
        assert time.monotonic() < end, daemon.log()
        time.sleep(0.1)
    reader = EventReader(RedisSettings(RedactedUrl(url)))
    for entry in reader.tail(EventFilter(), "0"):
        assert time.monotonic() < end, daemon.log()
        if entry is not None:
            return entry
    raise AssertionError("the stream is endless")


def stop_server(folder: Path) -> None:
    """Let the daemon's Redis stand still, as soon as there is one."""
    end = time.monotonic() + PATIENCE_S
    while (url := EmbeddedServer.discover(folder / "state")) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    client = connect(RedisSettings(RedactedUrl(url)))
    os.kill(int(client.info("server")["process_id"]), signal.SIGSTOP)
    client.close()


def waiting(folder: Path) -> set[str]:
    """Return the ids of the events in the event log."""
    return {record.event.id for record in LogView(StateLayout(folder / "state").event_log).all()}


def cold(folder: Path, runtime: str) -> float:
    """Return the seconds to the first entry."""
    with started(configuration(folder, runtime), folder) as (daemon, at):
        first = first_entry(daemon, folder)
        daemon.end()
    return first.published_s - at


def killed(folder: Path, runtime: str) -> float:
    """Return the seconds to the first entry, of an event that waited in the event log."""
    config = configuration(folder, runtime)
    with started(config, folder) as (daemon, _):
        daemon.wait_for("models loaded")
        stop_server(folder)
        end = time.monotonic() + PATIENCE_S
        while len(left := waiting(folder)) < 2:
            assert time.monotonic() < end, daemon.log()
            time.sleep(0.02)
        daemon.process.kill()
        daemon.process.wait()
    left = waiting(folder)
    with started(config, folder) as (daemon, at):
        first = first_entry(daemon, folder)
        daemon.end()
    assert first.event.id in left
    return first.published_s - at


def main() -> None:
    """Measure both, several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", choices=("ray", "local"), default="ray")
    options = parser.parse_args()
    for measure in (cold, killed):
        rounds = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as name:
                rounds.append(measure(Path(name), options.runtime))
            print(f"{measure.__name__} {rounds[-1]:.1f} s", flush=True)
        print(f"{measure.__name__}, median: {statistics.median(rounds):.1f} s")


if __name__ == "__main__":
    main()
