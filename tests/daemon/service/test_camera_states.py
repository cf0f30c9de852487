"""The life of a camera: its state changes only as the table allows, and every change that it allows does occur."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.observability.camera_state import TRANSITIONS, CameraState, IllegalTransition
from daemon.runtime.base import StreamHandle
from daemon.service.supervisor import Supervisor
from tests.support.clocks import FakeClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ServiceDied, SourceInvalid, SourceTimeout
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, SourceSnapshot

URLS = ("rtsp://host/a", "video.mp4")
EVENTS = ("run", "progress", "down", "up", "finish", "fail", "invalid", "die", "deaf", "retire", "drain")
PAUSES = (0.0, 0.5, 0.5, 3.0, 12.0)  # seconds; the supervisor looks every half second


class Stream:
    """An attempt to which things happen. It obeys a request to stop unless it is ``deaf``."""

    def __init__(self, live: bool, clock: FakeClock) -> None:
        self.clock = clock
        self.now = StreamSnapshot("cam", live=live, stall_timeout_s=2.0)
        self.deaf = self.dead = False

    def snapshot(self) -> StreamSnapshot:
        if self.dead:
            raise ServiceDied("an actor died")
        return self.now

    def latest_frame(self, timeout_s: float) -> None:
        return None

    def change_rules(self, order: RulesOrder) -> None:
        self.now = replace(self.now, config_hash=order.config_hash)

    def stop(self) -> None:
        if not self.deaf:
            self.end(StreamState.FINISHED)

    def kill(self) -> None: ...

    def end(self, state: StreamState, **fields: Any) -> None:
        if self.now.state not in (StreamState.FINISHED, StreamState.FAILED):
            self.now = replace(self.now, state=state, **fields)

    def happens(self, event: str) -> None:
        running = self.now.state == StreamState.RUNNING
        if event == "run" and self.now.state == StreamState.STARTING:
            up = SourceSnapshot(up=True)
            self.now = replace(self.now, state=StreamState.RUNNING, source=up, progress_wall=self.clock.wall())
        if event == "progress" and running:
            self.now = replace(self.now, progress_wall=self.clock.wall())
        if event in ("up", "down") and running:
            self.now = replace(self.now, source=SourceSnapshot(up=event == "up"))
        if event == "finish":
            self.end(StreamState.FINISHED)
        if event in ("fail", "invalid"):
            failure = SourceTimeout("no data") if event == "fail" else SourceInvalid("no media")
            self.end(StreamState.FAILED, failure=failure)
        self.dead, self.deaf = self.dead or event == "die", self.deaf or event == "deaf"


class Life:
    """A supervisor of one camera, and the states that it was seen in."""

    def __init__(self, url: str, attempts: int | None, retry: bool) -> None:
        self.clock = FakeClock()
        self.stream = Stream(url.startswith("rtsp"), self.clock)
        self._live = self.stream.now.live
        self.supervisor = Supervisor(self, self.clock, retry, raise_illegal=True)
        self.supervisor.watch(CameraSpec("cam", RedactedUrl(url), stall_timeout_s=2.0), (), attempts)
        self.camera = self.supervisor.cameras[0]
        self.seen = [self.camera.state]

    def start_stream(self, camera: CameraSpec, events: object) -> StreamHandle:
        self.stream = Stream(self._live, self.clock)
        return self.stream

    def note(self) -> None:
        if self.camera.state is not self.seen[-1]:
            self.seen.append(self.camera.state)

    def happens(self, event: str, pause_s: float) -> None:
        if event == "retire":
            self.supervisor.retire("cam")
        elif event == "drain":
            self.supervisor.drain(0.5)
        else:
            self.stream.happens(event)
        self.note()
        for _ in range(round(pause_s * 2)):
            self.clock.now += 0.5
            self.supervisor.step()
            self.note()
        assert self.camera.done == (self.camera.state in (CameraState.ENDED, CameraState.FAILED))
        waits = self.camera.state in (CameraState.BACKING_OFF, CameraState.DEGRADED) or self.camera.done
        assert waits == (self.camera.handle is None) or self.seen == [CameraState.STARTING]

    @property
    def changes(self) -> set[tuple[CameraState, CameraState]]:
        return set(zip(self.seen, self.seen[1:], strict=False))


def walk(url: str, attempts: int | None, retry: bool, steps: Iterable[tuple[str, float]]) -> Life:
    life = Life(url, attempts, retry)
    with capture_logs():  # thousands of lines else
        for event, pause_s in steps:
            life.happens(event, pause_s)
    return life


STEPS = st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(PAUSES)), max_size=60)
ALLOWED = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}


@settings(deadline=None)
@given(st.sampled_from(URLS), st.sampled_from([None, 3]), st.booleans(), STEPS)
def test_whatever_happens_a_state_only_follows_one_that_it_may_follow(
    url: str, attempts: int | None, retry: bool, steps: list[tuple[str, float]]
) -> None:
    life = walk(url, attempts, retry, steps)
    assert life.changes <= ALLOWED
    assert life.seen[0] is CameraState.STARTING


def test_the_table_allows_nothing_that_never_happens() -> None:
    random, occurred = Random(0), set()
    common = [*EVENTS[:4], "progress", *EVENTS]
    for number in range(4000):
        steps = [(random.choice(common), random.choice(PAUSES)) for _ in range(14)]
        if number % 2:  # a camera whose next failure uses up its restart budget
            life = walk(URLS[0], None, True, [("fail", 8.0)] * 4 + steps)
        else:
            life = walk(random.choice(URLS), random.choice([None, 3]), random.random() < 0.7, steps)
        occurred |= life.changes
        if occurred == ALLOWED:
            break
    assert occurred == ALLOWED


def test_an_illegal_change_raises_in_tests_and_is_logged_in_production() -> None:
    life = walk(URLS[0], None, True, [("run", 1.0), ("retire", 1.0)])
    assert life.camera.state is CameraState.ENDED
    with pytest.raises(IllegalTransition, match="ended -> up"):
        life.supervisor._enter(life.camera, CameraState.UP)
    production = Supervisor(life)
    with capture_logs() as logs:
        production._enter(life.camera, CameraState.UP)
    assert life.camera.state is CameraState.UP
    assert [(entry["log_level"], entry["camera"], entry["change"]) for entry in logs] == [
        ("error", "cam", "ended -> up")
    ]
