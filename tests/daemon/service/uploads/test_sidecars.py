"""The results of an upload lie beside it when it is put away, and go with it."""

import json
import os
from pathlib import Path

import pytest

from daemon.config.sections.cameras import UPLOADS
from daemon.offline.exports import FORMATS
from daemon.privacy.stores.store import Places
from daemon.privacy.stores.uploads import SIDECARS, UploadData
from tests.support.events import make_event
from tests.support.uploads import Inbox
from workers.decisions.results import FileResults
from workers.errors import SourceInvalid
from workers.events.erasures import Scope
from workers.state_layout import StateLayout
from workers.types import Utterance

FOUND = FileResults((make_event(camera=UPLOADS),), (Utterance(1.5, 2.0, "help me", 0.9, "en"),))


def put(inbox: Inbox, name: str, failure: SourceInvalid | None = None) -> None:
    path = inbox.inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"1")
    inbox.steps()
    inbox.streams.started[-1].end(failure, None if failure else FOUND)
    inbox.steps()


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_results_lie_beside_the_file_and_what_could_not_be_read_says_why(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, sidecars=True)
    put(inbox, "a.mp4")
    put(inbox, "b.mp4", SourceInvalid("no media"))
    beside = [f"a.mp4.watchword.{form}" for form in ("csv", "json", "vtt")]
    assert names(inbox.done) == ["a.mp4", *beside, "failed/b.mp4", "failed/b.mp4.watchword.json"]
    document = json.loads((inbox.done / "a.mp4.watchword.json").read_text())
    assert (document["file"], [e["id"] for e in document["events"]]) == ("a.mp4", [FOUND.events[0].id])
    assert document["transcript"] == [{"start": 1.5, "end": 2.0, "text": "help me", "confidence": 0.9}]
    failed = json.loads((inbox.done / "failed" / "b.mp4.watchword.json").read_text())
    assert failed["error"]["message"] == "no media"


def test_a_name_of_any_length_has_results(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, sidecars=True)
    put(inbox, f"{'猫' * 83}a.mp4")  # 254 bytes
    assert len(names(inbox.done)) == 4


def test_nobody_who_did_not_ask_gets_them(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    put(inbox, "a.mp4")
    assert names(inbox.done) == ["a.mp4"]
    assert [stream.camera.results for stream in inbox.streams.started] == [False]


def test_results_that_cannot_be_written_cost_nothing_else(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, sidecars=True)
    (inbox.done / "a.mp4.watchword.json").mkdir()
    put(inbox, "a.mp4")
    put(inbox, "b.mp4")
    assert {"a.mp4", "b.mp4", "b.mp4.watchword.json"} <= {p.name for p in inbox.done.iterdir()}
    assert inbox.uploads.idle


def test_results_without_their_file_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox(tmp_path, sidecars=True)

    def full(*_: object) -> None:
        assert (inbox.done / "a.mp4.watchword.json").exists()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("daemon.service.uploads.shutil.move", full)
    put(inbox, "a.mp4")
    assert names(inbox.done) == []
    assert (inbox.inbox / "a.mp4").exists()


def test_what_is_forgotten_has_no_results_either(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, sidecars=True)
    put(inbox, "a.mp4")
    (inbox.done / "other.mp4.watchword.json").write_text("{}")
    data = UploadData(Places(StateLayout(tmp_path), None, False, lambda ids, before: 0))
    data.remove(data.items(Scope(UPLOADS, 0, inbox.clock.wall()), frozenset()))
    assert os.listdir(inbox.done) == ["other.mp4.watchword.json"]
    assert FORMATS == SIDECARS
