"""Summaries over HTTP: of a day, of an upload, and their short videos; each token sees its cameras only."""

import time
from dataclasses import replace

import pytest

from daemon.captions.store import CaptionStore
from daemon.captions.types import Described, Written, upload_owner
from daemon.config.sections.cameras import UPLOADS
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.daemon.api.conftest import DOOR, FILES, GRAPHS, Serve, Served
from tests.support.recorded.summary import live_clip, live_event, stored_upload
from tests.support.videos.recording import shown

pytestmark = pytest.mark.timeout(60)


def day(served: Served) -> float:
    """Two events with clips an hour ago, of two cameras; return when the first began."""
    start = time.time() - 3600
    clips = {c: live_clip(served.layout.evidence / c / "2026-09-21", "clip", start) for c in ("door", "bedroom")}
    served.log.append([live_event(n, start + 3.3, camera, clips[camera]) for n, camera in enumerate(clips, 1)])
    return start


def test_a_day_with_its_moments_and_their_video(serve: Serve) -> None:
    served = serve()
    start = day(served)
    client = served.client()
    found = client.get("summary").json()
    assert [(m["camera"], m["events"][0]["event"], m["clip"]["event"]) for m in found["moments"]] == [
        ("bedroom", "cat", "0002cafe"),
        ("door", "cat", "0001cafe"),
    ]
    assert found["rules"] == [{"event": "cat", "count": 2, "over_budget": 0, "cameras": ["bedroom", "door"]}]
    assert client.get("summary", params={"since": start - 500, "until": start - 100}).json()["moments"] == []
    made = client.post("summary/videos", json={"since": start - 10})
    assert made.status_code == 201, made.text
    (video,) = made.json()["videos"]
    assert next((m["camera"], m["at"]) for m in video["moments"]) == ("bedroom", 0.0)
    answer = client.get(f"{served.url}{video['url']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert shown(answer.content)[0] == (0.0, 20)
    part = client.get(f"{served.url}{video['url']}", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert client.get(f"{served.url}{video['url'].replace('1.mp4', '2.mp4')}").status_code == 404
    (served.layout.evidence / "door" / "2026-09-21" / "clip.mp4").unlink()  # it was forgotten
    assert client.get(f"{served.url}{video['url']}").json()["error"] == "not_found"


def test_a_token_of_some_cameras_sees_these_only(serve: Serve) -> None:
    served = serve()
    start = day(served)
    door = served.client(DOOR)
    found = door.get("summary").json()
    assert [c["name"] for c in found["cameras"]] == ["door"]
    assert {m["camera"] for m in found["moments"]} == {"door"}
    assert "bedroom" not in door.get("summary").text
    assert door.get("summary?camera=bedroom").json()["error"] == "not_found"
    assert door.post("summary/videos", json={"since": start, "camera": "bedroom"}).json()["error"] == "not_found"
    (all_of_it,) = served.client().post("summary/videos", json={"since": start}).json()["videos"]
    assert door.get(f"{served.url}{all_of_it['url']}").status_code == 404
    (own,) = door.post("summary/videos", json={"since": start}).json()["videos"]
    assert {m["camera"] for m in own["moments"]} == {"door"}
    assert door.get(f"{served.url}{own['url']}").status_code == 200
    for method, path in (("GET", "summary"), ("POST", "summary/videos"), ("GET", "uploads/film.mp4/summary.json")):
        assert served.client(GRAPHS).request(method, path, json={}).json()["error"] == "permission_missing"
        assert served.client(None).request(method, path, json={}).status_code == 401
    assert door.get("uploads/film.mp4/summary.json").json()["error"] == "not_found"


def test_the_picture_of_what_is_unlike_the_usual(serve: Serve) -> None:
    served = serve()
    folder = served.layout.evidence / "door" / "2026-09-21"
    folder.mkdir(parents=True)
    (folder / "unusual-1790000303250.jpg").write_bytes(b"jpeg")
    url = "cameras/door/unusual.jpg?at=1790000303.25"
    assert served.client(DOOR).get(url).content == b"jpeg"
    assert served.client(DOOR).get(url.replace("303.25", "304")).json()["error"] == "no_picture"
    assert served.client(FILES).get(url).json()["error"] == "not_found"
    assert served.client().get("cameras/door/unusual.jpg?at=nan").status_code == 422


@pytest.mark.parametrize("query", ["since=5&until=4", "since=0&until=99999999", "since=soon", "most=0"])
def test_times_that_make_no_sense_are_refused(serve: Serve, query: str) -> None:
    assert serve().client().get(f"summary?{query}").json()["error"] == "invalid_request"


def test_an_upload_with_its_chapters_and_highlights(serve: Serve) -> None:
    served = serve()
    stored_upload(served.layout, served.folder / "done", served.log)
    client = served.client(FILES)
    found = client.get("uploads/film.mp4/summary.json").json()
    assert [(c["start"], c["title"]) for c in found["chapters"]] == [(0.0, ""), (11.5, "a red picture"), (23.5, "")]
    assert [h["events"][0]["event"] for h in found["highlights"] if h["events"]] == ["red"]
    assert "2\n00:00:11.500 --> 00:00:23.500\na red picture" in client.get("uploads/film.mp4/chapters.vtt").text
    (video,) = client.post("summary/videos", json={"upload": "film.mp4"}).json()["videos"]
    assert len(video["moments"]) == len(found["highlights"]) == 3
    assert client.get(f"{served.url}{video['url']}").status_code == 200
    assert served.client(DOOR).get(f"{served.url}{video['url']}").status_code == 404
    assert client.post("summary/videos", json={"upload": "other.mp4"}).json()["error"] == "not_found"


def test_what_is_not_there_is_said(serve: Serve) -> None:
    served = serve()
    file = served.folder / "done" / "old.mp4"
    UploadRecords(served.layout.uploads).note(WatchedUpload(str(file), 1000.0, 1001.0))
    assert served.client().get("uploads/old.mp4/summary.json").json()["error"] == "no_index"
    answer = served.client().post("summary/videos", json={"since": time.time() - 60})
    assert (answer.status_code, answer.json()["error"]) == (404, "no_clip")
    assert "evidence.clips" in answer.json()["message"]
    assert served.client().post("summary/videos", json={}).json()["error"] == "invalid_request"


def test_what_a_verifier_wrote_of_an_upload(serve: Serve) -> None:
    served = serve()
    stored_upload(served.layout, served.folder / "done", served.log)
    url = "uploads/film.mp4/description.json"
    assert served.client().get(url).json() is None
    (record,) = UploadRecords(served.layout.uploads).all()
    written, owner = Written("de", "tiny", "caption-1"), upload_owner(record.since)
    place = (UPLOADS, "key", "film.mp4", 0.0, 36.0, record.since, record.since + 1)
    whole = Described(owner, 0, *place, "Es wird rot.", written, title="Farben", tags=("rot",))
    store = CaptionStore(served.layout.captions)
    summary = served.client().get("uploads/film.mp4/summary.json").json()
    start = summary["chapters"][1]["start"]
    store.add(replace(whole, number=2, start=start, end=24.0, title="Rot", text="Alles rot.", tags=()))
    assert served.client().get(url).json() is None  # the whole comes last
    store.add(whole)
    found = served.client().get(url).json()
    assert (found["title"], found["text"], found["tags"]) == ("Farben", "Es wird rot.", ["rot"])
    assert found["chapters"] == [{"start": round(start, 3), "end": 24.0, "title": "Rot", "text": "Alles rot."}]
    assert (found["language"], found["model"], found["transcript"]) == ("de", "tiny", [])
    assert "\nRot\n" in served.client().get("uploads/film.mp4/chapters.vtt").text
    assert served.client(DOOR).get(url).status_code == 404
