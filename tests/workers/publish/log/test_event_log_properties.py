"""Any sequence of writing, publishing, crashing and damage: no event that was taken is lost, none is made up."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.events import make_event
from tests.support.recorded.event_log import as_killed, change
from workers.clock import SystemClock
from workers.errors import EventLogFull
from workers.publish.log.event_log import EventLog

NAMES = ("redis", "alerts")


class Still(SystemClock):
    """Every record is as long as in the run before."""

    def wall(self) -> float:
        return 1000.0


def held(kept: dict[int, str], told: dict[str, int], name: str) -> dict[int, str]:
    return {n: e for n, e in kept.items() if n > told[name]}


class EventLogMachine(RuleBasedStateMachine):
    """An event log, and what it must hold for each of two readers: sequence number to event id, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.kept: dict[int, str] = {}
        self.told = dict.fromkeys(NAMES, 0)  # up to where each has acknowledged
        self.made = 0
        self.past: list[tuple[dict[int, str], dict[str, int]]] = [({}, dict(self.told))]  # after each call

    @initialize(cap=st.sampled_from([140_000, 1 << 20]))
    def begin(self, cap: int) -> None:
        self.cap = cap
        self.open()

    def open(self) -> None:
        self.log = EventLog(self.folder, max_bytes=self.cap, clock=Still())
        self.readers = {name: self.log.reader(name) for name in NAMES}

    def held(self, name: str) -> dict[int, str]:
        return held(self.kept, self.told, name)

    def found(self, name: str, count: int = 10_000) -> list[tuple[int, str]]:
        return [(r.seq, r.event.id) for r in self.readers[name].next(count)]

    @rule(count=st.integers(0, 4), text=st.sampled_from(["", "help", "é — 猫", '\n"\\', "\u2028\x00"]))
    def append(self, count: int, text: str) -> None:
        events = [make_event(self.made + n, text=text) for n in range(count)]
        try:
            numbers: Any = self.log.append(events)
        except EventLogFull:
            return
        self.made += count
        assert list(numbers) == sorted(set(numbers))
        assert all(n > max(self.kept, default=0) for n in numbers)
        self.kept |= {n: e.id for n, e in zip(numbers, events, strict=True)}

    @rule(count=st.integers(1, 5), name=st.sampled_from(NAMES))
    def publish(self, count: int, name: str) -> None:
        found = self.found(name, count)
        assert found == list(self.held(name).items())[:count]
        if found:
            self.told[name] = found[-1][0]
            self.readers[name].acknowledge(self.told[name])

    @rule(which=st.sets(st.integers(0, 40), max_size=4))
    def erase(self, which: set[int]) -> None:
        gone = {make_event(n).id for n in which} & set(self.kept.values())
        self.log.erase(frozenset(gone))
        self.kept = {n: e for n, e in self.kept.items() if e not in gone}
        data = b"".join(p.read_bytes() for p in self.folder.iterdir())
        assert not [identity for identity in gone if identity.encode() in data]

    @rule(crash=st.booleans(), lose_cursors=st.booleans())
    def reopen(self, crash: bool, lose_cursors: bool) -> None:
        if crash:  # what is on disk as it is, and the lock of a process that is no more
            self.folder = as_killed(self.folder, Path(tempfile.mkdtemp()))
        self.log.close()
        if lose_cursors:  # which only repeats
            change(self.folder, "DELETE FROM readers")
            self.told = dict.fromkeys(NAMES, 0)
        self.open()
        if lose_cursors:  # nobody knows any more what was given up to make room
            self.kept = dict(self.found("redis"))

    @rule(part=st.floats(0, 1))
    def torn(self, part: float) -> None:
        """Cut the write-ahead log off at any byte: what is left is as it was after one of the calls so far."""
        disk = as_killed(self.folder, Path(tempfile.mkdtemp()))
        self.log.close()
        ahead = disk / "log.db-wal"
        data = ahead.read_bytes()
        ahead.write_bytes(data[: int(part * len(data))])
        self.folder, now = disk, (self.kept, self.told)
        self.open()
        found = {name: self.found(name) for name in NAMES}
        states = [*self.past, now]  # of several that look alike to all readers the oldest: numbers only rise after it
        fits = (s for s in states if all(found[name] == list(held(*s, name).items()) for name in NAMES))
        kept, told = next(fits)  # StopIteration: it never was so
        self.kept, self.told = dict(kept), dict(told)
        assert part < 1 or found == {name: list(held(*now, name).items()) for name in NAMES}

    @invariant()
    def holds_what_it_took(self) -> None:
        if hasattr(self, "log"):
            for name in NAMES:
                assert self.found(name) == list(self.held(name).items())
                assert self.readers[name].snapshot().waiting == len(self.held(name))
            assert self.log.snapshot().damaged == 0
            self.past.append((dict(self.kept), dict(self.told)))

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.folder)


TestEventLog = EventLogMachine.TestCase
TestEventLog.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
