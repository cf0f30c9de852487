"""Any sequence of writing, publishing, crashing and damage: no event that was taken is lost, none is made up."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from publish_kit import make_event

from workers.clock import SystemClock
from workers.publish.spool import Spool, SpoolFull


class Still(SystemClock):
    """Every record is as long as in the run before."""

    def wall(self) -> float:
        return 1000.0


class SpoolMachine(RuleBasedStateMachine):
    """A spool and what it must hold: sequence number to event id, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.held: dict[int, str] = {}
        self.told = 0  # up to where was published
        self.made = 0

    @initialize(segment_bytes=st.sampled_from([1, 1500, 1 << 20]))
    def open(self, segment_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.spool = self.opened()

    def opened(self) -> Spool:
        return Spool(self.folder, max_bytes=60_000, segment_bytes=self.segment_bytes, clock=Still())

    @rule(count=st.integers(0, 4), text=st.sampled_from(["", "help", "é — 猫", '\n"\\', "\u2028\x00"]))
    def append(self, count: int, text: str) -> None:
        events = [make_event(self.made + n, text=text) for n in range(count)]
        try:
            numbers = self.spool.append(events)
        except SpoolFull:
            return
        self.made += count
        assert list(numbers) == sorted(set(numbers))
        assert all(n > max(self.held, default=self.told) for n in numbers)
        self.held |= {n: e.id for n, e in zip(numbers, events, strict=True)}

    @rule(count=st.integers(1, 5))
    def publish(self, count: int) -> None:
        records = self.spool.pending(count)
        assert [(r.seq, r.event.id) for r in records] == list(self.held.items())[:count]
        if records:
            self.told = records[-1].seq
            self.spool.ack(self.told)
            self.held = {n: e for n, e in self.held.items() if n > self.told}

    @rule(crash=st.booleans(), lose_cursor=st.booleans())
    def reopen(self, crash: bool, lose_cursor: bool) -> None:
        if crash:  # what is on disk as it is, and the lock of a process that is no more
            self.folder = Path(shutil.copytree(self.folder, tempfile.mkdtemp(), dirs_exist_ok=True))
        self.spool.close()
        if lose_cursor:
            (self.folder / "cursor").unlink(missing_ok=True)
        self.spool = self.opened()
        found = [(r.seq, r.event.id) for r in self.spool.pending(10_000)]
        again = [(n, e) for n, e in found if n <= self.told]
        assert found[len(again) :] == list(self.held.items())
        assert lose_cursor or not again  # a lost cursor only repeats
        self.held = dict(found)
        if lose_cursor:
            self.told = 0  # nobody knows any more; where segments are lost as well, numbers begin anew

    @rule(part=st.floats(0, 1), which=st.floats(0, 0.999))
    def torn(self, part: float, which: float) -> None:
        """Cut a segment off at any byte: the records before the cut are whole, those behind are gone."""
        segments = sorted(self.folder.glob("*.seg"))
        if not segments:
            return
        self.spool.close()
        segment = segments[int(which * len(segments))]
        data = segment.read_bytes()
        kept = data[: int(part * len(data))]
        segment.write_bytes(kept)
        whole = kept.count(b"\n")
        first = int(segment.stem)
        gone = {first + n for n in range(whole, data.count(b"\n"))}
        self.held = {n: e for n, e in self.held.items() if n not in gone}
        self.spool = self.opened()

    @invariant()
    def holds_what_it_took(self) -> None:
        if hasattr(self, "spool"):
            assert [(r.seq, r.event.id) for r in self.spool.pending(10_000)] == list(self.held.items())
            assert self.spool.snapshot().waiting == len(self.held)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
