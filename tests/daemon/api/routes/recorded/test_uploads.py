"""Files over HTTP: whole or not at all, bounded, by safe names; and what was found in them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.api import receiving
from daemon.observability.snapshot import DaemonSnapshot, UploadsSnapshot
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.daemon.api.conftest import ALL, DOOR, FILES, Serve, Served
from tests.support.camera_status import camera_status
from tests.support.events import make_event
from workers.decisions.snapshot import StreamSnapshot, StreamState

DATA = bytes(range(256)) * 4096  # 1 MB


def listed(served: Served) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (served.folder / "in").iterdir()}


def send(served: Served, name: str, data: Any = DATA, token: str = FILES) -> httpx.Response:
    return served.client(token).post("uploads", params={"name": name}, content=data)


def test_a_file_arrives_whole_and_never_over_another(serve: Serve) -> None:
    served = serve()
    answer = send(served, "Ferien é.mp4")
    assert (answer.status_code, answer.json()) == (201, {"name": "Ferien é.mp4", "bytes": len(DATA)})
    assert send(served, "Ferien é.mp4", b"other").json()["name"] == "Ferien é-1.mp4"
    assert send(served, "x.MKV", (DATA[n : n + 1000] for n in range(0, len(DATA), 1000))).json()["bytes"] == len(DATA)
    assert listed(served) == {"Ferien é.mp4": DATA, "Ferien é-1.mp4": b"other", "x.MKV": DATA}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../x.mp4", "name_invalid"),
        ("/etc/x.mp4", "name_invalid"),
        ("a/b.mp4", "name_invalid"),
        ("a\\b.mp4", "name_invalid"),
        (".hidden.mp4", "name_invalid"),
        (" x.mp4", "name_invalid"),
        ("x\0.mp4", "name_invalid"),
        ("x\n.mp4", "name_invalid"),
        ("x\u202e4pm.mp4", "name_invalid"),  # it would be shown backwards
        ("x.html", "not_media"),
        ("x.svg", "not_media"),
        ("x", "not_media"),
        ("mp4", "not_media"),
    ],
)
def test_other_names_are_refused(serve: Serve, name: str, code: str) -> None:
    served = serve()
    answer = send(served, name)
    assert (answer.status_code, answer.json()["error"]) == (415 if code == "not_media" else 422, code)
    assert listed(served) == {}


def test_a_long_name_is_shortened(serve: Serve) -> None:
    served = serve()
    name = send(served, "ü" * 200 + ".mp4").json()["name"]
    assert name.endswith(".mp4")
    assert list(listed(served)) == [name]


def test_a_file_that_is_too_large_leaves_nothing(serve: Serve) -> None:
    served = serve()

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    for data in (bytes(2_000_001), parts()):
        try:
            answer = send(served, "x.mp4", data)
            assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")
        except httpx.WriteError:  # the rest of the body was not read
            pass
    assert listed(served) == {}
    assert send(served, "x.mp4", bytes(2_000_000)).status_code == 201


def test_room_is_left_for_events(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    monkeypatch.setattr(receiving, "ROOM", 1 << 60)
    answer = send(served, "x.mp4")
    assert (answer.status_code, answer.json()["error"]) == (507, "disk_full")
    assert listed(served) == {}


def test_a_sender_that_leaves_leaves_nothing(serve: Serve) -> None:
    served = serve()

    def broken() -> Iterator[bytes]:
        yield DATA
        raise RuntimeError("the client is gone")

    with pytest.raises(RuntimeError):
        send(served, "x.mp4", broken())
    assert send(served, "y.mp4", b"1").status_code == 201
    for _ in range(200):
        if [path.name for path in (served.folder / "in").iterdir()] == ["y.mp4"]:
            return
        served.client().get("me")
    raise AssertionError(listed(served))


def test_only_who_may_upload_does(serve: Serve) -> None:
    served = serve()
    assert send(served, "x.mp4", token=DOOR).json()["error"] == "not_found"  # not its camera
    assert served.client(DOOR).get("uploads").json()["error"] == "not_found"
    assert served.client(DOOR).get("uploads/x.mp4/results.json").json()["error"] == "not_found"
    assert send(served, "x.mp4", token="").status_code == 401
    assert listed(served) == {}


def test_without_a_folder_there_are_no_uploads(serve: Serve) -> None:
    served = serve(uploads=None, http={"port": 0, "token": ALL})
    assert served.client().get("uploads").json()["error"] == "no_uploads"
    assert send(served, "x.mp4", token=ALL).json()["error"] == "no_uploads"


def test_what_waits_is_processed_done_and_failed(serve: Serve) -> None:
    served = serve()
    stream = StreamSnapshot("uploads", StreamState.RUNNING, position_s=5.0, duration_s=20.0)
    uploads = UploadsSnapshot(
        waiting=1000,
        current="b.mp4",
        waiting_names=("c.mp4",),
        left_names=(("x.txt", "ending"),),
        errors=(("failed/bad.mp4", "source_invalid: no media"),),
    )
    served.snapshot = DaemonSnapshot(cameras=(camera_status(stream),), uploads=uploads)
    done = served.folder / "done"
    records = UploadRecords(served.layout.uploads)
    records.note(WatchedUpload(str(done / "a.mp4"), 100.0, 110.0))
    records.note(WatchedUpload(str(done / "failed" / "bad.mp4"), 120.0, 121.0))
    records.note(WatchedUpload(str(served.folder / "in" / "b.mp4"), 130.0, None))
    assert served.client(FILES).get("uploads").json() == {
        "max_size": 2_000_000,
        "waiting_count": 1000,
        "waiting": [{"name": "c.mp4"}],
        "processing": {"name": "b.mp4", "position_s": 5.0, "duration_s": 20.0, "progress": 0.25},
        "done": [{"name": "a.mp4", "began": 100.0, "ended": 110.0}],
        "failed": [
            {"name": "failed/bad.mp4", "began": 120.0, "ended": 121.0, "error": "source_invalid: no media"},
        ],
        "left_alone": [{"name": "x.txt", "reason": "its ending is not one of a media file"}],
    }


def tagged(served: Served, name: str, number: int, since: float, until: float) -> Path:
    file = served.folder / "done" / name
    UploadRecords(served.layout.uploads).note(WatchedUpload(str(file), since, until))
    source = {"file": name, "name": name, "sha256": None, "duration": 12.5}
    served.log.append([make_event(number, "uploads", source=source, event=f"e{number}")])
    return file


def test_results_come_from_the_event_log_or_from_beside_the_file(serve: Serve) -> None:
    served = serve()
    file = tagged(served, "a <b>.mp4", 1, 0.0, 4e9)
    client = served.client(FILES)
    answer = client.get("uploads/a <b>.mp4/results.json")
    document = answer.json()
    assert (document["file"], document["duration"]) == ("a <b>.mp4", 12.5)
    assert [event["event"] for event in document["events"]] == ["e1"]
    assert answer.headers["content-disposition"] == 'attachment; filename="results.json"'
    for form, kind in (("json", "application/json"), ("csv", "text/csv"), ("vtt", "text/vtt")):
        answer = client.get(f"uploads/a <b>.mp4/results.{form}")
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "e1" in answer.text or form == "vtt"
    beside = file.with_name(f"{file.name}.watchword.json")
    beside.write_text('{"beside": 1}')
    assert client.get("uploads/a <b>.mp4/results.json").json() == {"beside": 1}


def test_results_that_the_log_has_lost_are_not_said_to_be_empty(serve: Serve) -> None:
    served = serve()
    served.log.append([make_event(0)])
    tagged(served, "a.mp4", 1, 0.0, 4e9)
    served.log.erase(frozenset({make_event(0).id}))
    answer = served.client(FILES).get("uploads/a.mp4/results.json")
    assert (answer.status_code, answer.json()["error"]) == (404, "results_gone")


def test_no_results_of_what_is_no_upload(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    file = tagged(served, "a.mp4", 1, 0.0, 4e9)
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    file.with_name("a.mp4.watchword.json").symlink_to(secret)
    (served.folder / "done" / "secret.watchword.json").write_text("s3cret")
    client = served.client(FILES)
    for name in ("../secret", "..%2fsecret", "%2e%2e/secret", "secret", "", "b.mp4", "/etc/passwd"):
        for form in ("json", "html", "mp4"):
            answer = client.get(f"uploads/{name}/results.{form}")
            assert answer.status_code in (404, 422)
            assert "s3cret" not in answer.text
    assert "s3cret" not in json.dumps(client.get("uploads/a.mp4/results.json").json())
    assert client.get("uploads/a.mp4").status_code in (404, 405)  # the file itself is never served
