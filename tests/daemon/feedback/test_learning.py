"""From clicks to heads: in shadow first, in force when better, and back again; what is forgotten leaves no trace."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from alignment.personal.files import pack_samples, unpack_head
from alignment.personal.judging import reported
from alignment.personal.samples import Samples, logit, logit_of
from alignment.types import F32, SOUND_CLASSES
from alignment.vectors import unit_rows
from daemon.alerts.links import Verdict
from daemon.feedback.judge import Judge, NoSuchHead, NotJudgeable
from daemon.feedback.learning import LEAST_CLICKS, Learner
from daemon.feedback.service import FeedbackService
from daemon.feedback.store import NAME, FeedbackStore, FeedbackStoreError
from daemon.privacy.stores.feedback import ClickData, SampleData
from daemon.privacy.stores.store import Limits, Places
from tests.support.events import make_event, make_live
from workers.events.erasures import Scope
from workers.events.event import Event
from workers.state_layout import StateLayout

WIDTH, KEY = 16, "a cat by lite"
MINE, OTHER = unit_rows(np.random.default_rng(3).normal(size=(2, WIDTH)))


def looks(centre: F32, seed: int, p: float = 0.95) -> Samples:
    rng = np.random.default_rng(seed)
    frames = unit_rows(centre + 0.05 * rng.normal(size=(4, WIDTH)).astype(np.float32))
    shares = np.tile(np.array([1, 0, 0], np.float32), (4, 1))
    nothing = np.zeros((4, WIDTH), np.float32)
    return Samples(frames, nothing, np.zeros((4, SOUND_CLASSES), np.float32), shares, logit(np.full(4, p, np.float32)))


class Folder:
    """A state folder whose streams have found events."""

    def __init__(self, root: Path) -> None:
        self.layout = StateLayout(root)
        self.judge, self.learner = Judge(self.layout), Learner(self.layout)

    def found(self, number: int, centre: F32, key: str = KEY, threshold: float = 0.6) -> Event:
        event = make_live(number, start=1e9 + 100 * number, end=1e9 + 100 * number + 5)
        about = {"event": event.event, "key": key, "threshold": threshold, "start": event.start, "end": event.end}
        path = self.layout.feedback_samples / event.camera / f"{event.id}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack_samples(looks(centre, number), about))
        return event

    def click(self, *said: tuple[F32, Verdict], since: int = 0) -> list[Event]:
        events = []
        for number, (centre, verdict) in enumerate(said, since):
            events.append(self.found(number, centre))
            self.judge.judge(events[-1], verdict, now=1e9 + number)
        return events

    def in_force(self) -> bool:
        return (self.layout.heads / "cat.safetensors").exists()

    def reports(self, centre: F32) -> bool:
        """Return whether an event that looks like that is reported by streams that begin now."""
        path = self.layout.heads / "cat.safetensors"
        head = unpack_head(path.read_bytes())[0] if path.exists() else None
        return reported(looks(centre, 999), logit_of(0.6), head)

    def places(self) -> Places:
        return Places(self.layout, None, False, lambda ids, before: 0)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


MIXED: Sequence[tuple[F32, Verdict]] = [(MINE, "right"), (OTHER, "wrong")] * 5


def test_ten_clicks_silence_a_look_alike_and_one_step_back_brings_it_again(folder: Folder) -> None:
    assert folder.learner.step() == frozenset()
    folder.click(*MIXED[:3])
    assert folder.learner.step() == frozenset()  # too few: in shadow
    assert not folder.in_force()
    (first,) = folder.judge.learned("cat").versions
    assert first.report["waits_for"] == "clicks"
    assert LEAST_CLICKS > 3

    folder.click(*MIXED[3:], since=3)
    assert folder.learner.step() == {"cat"}
    assert folder.learner.step() == frozenset()
    assert (folder.reports(MINE), folder.reports(OTHER)) == (True, False)
    learned = folder.judge.learned("cat")
    assert (learned.choice.version, learned.choice.held) == (2, False)
    report = learned.versions[0].report
    assert (report["right"], report["right_kept"], report["wrong"], report["wrong_kept"]) == (5, 5, 5, 0)
    assert (report["recent"]["events"], report["recent"]["kept"], report["seconds"] < 1) == (10, 5, True)

    assert folder.judge.back("cat") == 0
    assert folder.learner.step() == {"cat"}
    assert folder.reports(OTHER)
    folder.click((OTHER, "wrong"), since=20)
    assert folder.learner.step() == frozenset()  # somebody went back: newer heads wait
    assert len(folder.judge.learned("cat").versions) == 3
    folder.judge.choose("cat", None)
    assert folder.learner.step() == {"cat"}
    assert not folder.reports(OTHER)
    folder.judge.choose("cat", 2)
    assert folder.learner.step() == {"cat"}
    with pytest.raises(NoSuchHead, match="no version 9"):
        folder.judge.choose("cat", 9)


def test_clicks_that_contradict_each_other_stay_in_shadow(folder: Folder) -> None:
    for number in range(12):
        folder.judge.judge(folder.found(number, MINE), "wrong" if number % 2 else "right", now=1e9)
    assert folder.learner.step() == frozenset()
    assert folder.judge.learned("cat").versions[0].report["waits_for"] == "not_better"


def test_a_head_that_would_silence_everything_waits_for_somebody(folder: Folder) -> None:
    for number in range(100, 120):
        folder.found(number, MINE)
    for number in range(10):
        folder.click((MINE, "wrong"), since=number)
    assert folder.learner.step() == frozenset()
    version = folder.judge.learned("cat").versions[0]
    assert version.report["waits_for"] == "silences"
    assert len(version.report["recent"]["gone"]) == 12
    folder.judge.choose("cat", version.number)
    assert folder.learner.step() == {"cat"}
    assert not folder.reports(MINE)


def test_a_click_can_be_changed_and_taken_back(folder: Folder) -> None:
    events = folder.click(*MIXED)
    folder.learner.step()
    for event in events:
        folder.judge.judge(event, "right", now=2e9)
    assert folder.judge.verdict(events[1].id) == "right"
    folder.learner.step()
    assert folder.reports(OTHER) is False  # the head before stays until a better one comes
    for event in events:
        folder.judge.take_back(event.id)
    assert folder.judge.verdict(events[1].id) is None
    assert folder.learner.step() == {"cat"}
    assert folder.reports(OTHER)


def test_another_description_begins_anew(folder: Folder) -> None:
    folder.click(*MIXED)
    folder.learner.step()
    for number in range(50, 53):
        folder.judge.judge(folder.found(number, OTHER, key="a tabby cat by lite"), "wrong", now=2e9)
    folder.learner.step()
    newest = folder.judge.learned("cat").versions[0]
    assert (newest.key, newest.report["wrong"]) == ("a tabby cat by lite", 3)


def test_events_whose_features_are_gone_cannot_be_judged(folder: Folder) -> None:
    event = folder.found(1, MINE)
    assert folder.judge.is_judgeable(event)
    unknown = make_event(2)
    assert not folder.judge.is_judgeable(unknown)
    with pytest.raises(NotJudgeable):
        folder.judge.judge(unknown, "wrong", now=0)
    assert not FeedbackStore(folder.layout.feedback).exists


def test_forgetting_an_event_forgets_every_head_made_of_it(folder: Folder) -> None:
    events = folder.click(*MIXED)
    folder.learner.step()
    gone = events[3]
    scope = Scope("door", gone.start - 10, gone.end + 10)
    clicks, samples = ClickData(folder.places()), SampleData(folder.places())
    assert clicks.event_ids(scope) == samples.event_ids(scope) == {gone.id}
    for store in (clicks, samples):
        store.remove(store.items(scope, frozenset({gone.id})))
        assert store.items(scope, frozenset({gone.id})) == []
    assert not folder.in_force()
    everything = b"".join(path.read_bytes() for path in folder.layout.feedback.rglob("*") if path.is_file())
    assert gone.id.encode() not in everything
    assert folder.learner.step() == {"cat"}  # of the nine that are left
    assert folder.judge.learned("cat").versions[0].report["wrong"] == 4


def test_retention(folder: Folder) -> None:
    events = folder.click(*MIXED)
    folder.learner.step()
    assert ClickData(folder.places()).expire(Limits(1e9 + 4)) == 4
    assert folder.judge.verdict(events[3].id) is None
    assert folder.judge.verdict(events[4].id) == "right"
    old = folder.layout.feedback_samples / "door" / f"{events[0].id}.safetensors"
    os.utime(old, (1e9, 1e9))
    assert SampleData(folder.places()).expire(Limits(1e9 + 1)) == 1
    assert not old.exists()


def test_the_service_learns_within_a_second_whoever_clicks(folder: Folder) -> None:
    service = FeedbackService(folder.layout)
    service.start()
    try:
        events = [folder.found(n, centre) for n, (centre, _) in enumerate(MIXED)]
        for event, (_, verdict) in zip(events, MIXED, strict=True):
            folder.judge.judge(event, verdict, now=1e9)
        began = time.monotonic()
        while not (changed := service.take()):
            assert time.monotonic() < began + 8
            time.sleep(0.01)
        assert changed == {"cat"}
        while folder.reports(OTHER):
            assert time.monotonic() < began + 8
            time.sleep(0.01)
    finally:
        service.stop(5)


CLICKS = """
import sys
from pathlib import Path
from tests.daemon.feedback.test_learning import MIXED, Folder
folder = Folder(Path(sys.argv[1]))
number = 0
while True:
    (event,) = folder.click(MIXED[number % 10], since=number)
    folder.learner.step()
    print("judged", event.id, flush=True)
    number += 1
"""


@pytest.fixture
def killed(tmp_path: Path) -> list[str]:
    """Ids of events that a process has judged before it was killed."""
    process = subprocess.Popen([sys.executable, "-c", CLICKS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = list[str]()
    for line in process.stdout:
        if line.startswith("judged ") and line.endswith("\n"):
            told.append(line.split()[1])
        if len(told) == 7:
            process.kill()
    process.wait()
    return told


@pytest.mark.process
def test_clicks_outlive_a_kill(killed: list[str], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert {click.event_id for click in folder.judge.learned("cat").clicks} >= set(killed)
    folder.learner.step()
    assert folder.in_force()
    assert not folder.reports(OTHER)


def test_a_newer_or_damaged_database_is_an_error_that_says_what_to_do(folder: Folder) -> None:
    folder.click(*MIXED[:1])
    for suffix in ("-wal", "-shm"):
        (folder.layout.feedback / f"{NAME}{suffix}").unlink(missing_ok=True)
    (folder.layout.feedback / NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(FeedbackStoreError, match="cannot be read"):
        folder.judge.learned("cat")
