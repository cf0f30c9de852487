"""Uploads that are to be forgotten while they are watched, or whose watching was interrupted."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

import daemon.service.uploads as uploads_module
from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.service.uploads import UploadNotEnded
from tests.support.clocks import wait_until
from tests.support.uploads import Inbox
from workers.events.erasures import Scope


@contextmanager
def halting(inbox: Inbox, scope: Scope) -> Iterator["Future[float | None]"]:
    """Halt uploads from another thread until the block ends; yield the answer to it."""
    answer: Future[float | None] = Future()
    over = threading.Event()

    def halt() -> None:
        try:
            with inbox.uploads.halted(scope) as ended:
                answer.set_result(ended)
                over.wait()
        except UploadNotEnded as error:
            answer.set_exception(error)

    before = inbox.uploads._halt
    thread = threading.Thread(target=halt)
    thread.start()
    wait_until(lambda: inbox.uploads._halt is not before)
    yield answer
    over.set()
    thread.join(5)


def test_an_upload_that_is_to_be_forgotten_is_ended_and_none_begun_until_it_is_gone(inbox: Inbox) -> None:
    for name in ("a.mp4", "b.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    (watched,) = inbox.records.all()
    assert (watched.file, watched.until) == (str(inbox.inbox / "a.mp4"), None)
    with halting(inbox, Scope(CAMERA, 0.0, watched.since)) as answer:
        inbox.steps(2)
        assert inbox.streams.started[0].asked
        assert not answer.done()
        inbox.streams.started[0].end()
        inbox.steps(2)
        assert watched.since < (answer.result(5) or 0) <= inbox.clock.wall()
        inbox.steps()
        assert inbox.names() == ["a.mp4"]
        assert inbox.records.all() == [watched]
        (inbox.inbox / "a.mp4").unlink()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4"]
    (inbox.inbox / "a.mp4").write_bytes(b"another one")
    inbox.streams.started[1].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4", "a.mp4"]
    assert {Path(u.file).name: u.since > watched.since for u in inbox.records.all()} == {"a.mp4": True, "b.mp4": True}


def test_one_that_began_after_what_is_to_be_forgotten_goes_on(inbox: Inbox) -> None:
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    with halting(inbox, Scope(CAMERA, 0.0, inbox.clock.wall() - 60)) as answer:
        inbox.steps()
        assert answer.result(5) is None
    assert not inbox.streams.started[0].asked


def test_one_that_does_not_end_is_said_and_when_it_does_at_last_it_is_watched_anew(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "HALT_S", 0.2)
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    since = inbox.clock.wall()
    with halting(inbox, Scope(CAMERA, 0.0, since)) as answer:
        inbox.steps(2)
        with pytest.raises(UploadNotEnded, match="nothing was removed"):
            answer.result(5)
    inbox.streams.started[0].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "a.mp4"]
    assert not (inbox.done / "a.mp4").exists()
    inbox.streams.started[1].end()
    inbox.steps()
    (noted,) = inbox.records.all()
    assert noted.file == str(inbox.done / "a.mp4")
    assert noted.since <= since
    assert inbox.uploads.failed == {}


def test_an_upload_was_watched_since_it_first_began_though_the_daemon_died(tmp_path: Path) -> None:
    first = Inbox(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        (first.inbox / name).write_bytes(b"1")
    first.steps()
    began = first.records.all()[0].since
    first.clock.now += 1000
    second = Inbox(tmp_path)
    second.clock.now = first.clock.now
    second.steps()
    second.streams.started[0].end()
    second.steps()
    assert [(Path(u.file).parent.name, u.since == began) for u in second.records.all()] == [
        ("done", True),
        ("inbox", False),
    ]
    (second.inbox / "b.mp4").unlink()
    assert [Path(u.file).name for u in Inbox(tmp_path).records.all()] == ["a.mp4"]
