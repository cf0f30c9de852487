"""Search over HTTP: who may search what, what is found, and the pictures and clips of uploads."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from daemon.checking.descriptions import DescriptionJudge
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from daemon.search.engine import SearchModels
from tests.daemon.api.conftest import DOOR, FILES, GRAPHS, Serve, Served
from tests.support.clocks import SettableClock
from tests.support.events import make_event
from tests.support.recorded.recordings import LIVE, NOW, day, frame, seen, write_shard
from tests.support.videos.media import every, make_video
from tests.support.videos.recording import shown
from workers.index.types import StoredFile
from workers.services.encoder import EncoderService
from workers.services.proxies import EncoderProxy, LocalTransport


@pytest.fixture
def served(serve: Serve, encoder: EncoderService) -> Served:
    clock = SettableClock()
    clock.set_by = NOW + 100 - clock.wall()  # an event of a moment is looked for near it
    made = serve(clock=clock)
    made.models = SearchModels(EncoderProxy(LocalTransport(encoder)), None, DescriptionJudge(made.store.read()[0]))
    day(made.layout.index)
    return made


def test_moments_come_with_what_shows_them_and_how_the_search_was_read(served: Served) -> None:
    answer = served.client().get("search", params={"q": "red"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    best = found["moments"][0]
    assert (best["start"] - NOW, best["live"], best["event"], best["picture"]) == (39.5, True, None, False)
    assert found["read_as"] == ["red"]
    assert found["notes"] == ["read as: red"]
    assert found["probable"]
    assert 0 < found["seconds"] < 10
    later = served.client().get("search", params={"q": "red", "since": NOW + 100, "limit": 1}).json()["moments"]
    assert [(m["camera"], m["start"] - NOW) for m in later] == [("door", 3645.5)]
    only = served.client().get("search", params=[("q", "red"), ("camera", "door"), ("camera", "attic")]).json()
    assert {m["camera"] for m in only["moments"]} == {"door"}
    assert served.client().get("search?class=car").json()["moments"][0]["camera"] == "yard"
    assert "parcel" in served.client().get("search?words=parcel&spoken=false").json()["moments"][0]["said"]


def test_a_live_moment_without_an_event_is_shown_by_its_thumbnail(served: Served) -> None:
    kept = replace(LIVE, camera="door", key="pictured")
    jpeg = as_jpeg("blue")
    shades = ["grey"] * 20 + ["blue"] * 8 + ["grey"] * 20
    write_shard(served.layout.index, kept, [seen(NOW + 9000, shades)], thumbnails={NOW + 9020: jpeg})
    moments = served.client(DOOR).get("search", params={"q": "blue", "camera": "door"}).json()["moments"]
    (moment,) = (m for m in moments if m["thumbnail"] is not None)
    assert (moment["key"], moment["thumbnail"] - NOW, moment["picture"], moment["event"]) == (
        "pictured",
        9020,
        False,
        None,
    )
    asked = {"camera": "door", "key": moment["key"], "at": moment["thumbnail"]}
    picture = served.client(DOOR).get("moments/picture.jpg", params=asked)
    assert (picture.headers["content-type"], picture.content) == ("image/jpeg", jpeg)
    assert served.client(DOOR).get("moments/picture.jpg", params=asked | {"at": NOW + 9021}).status_code == 404
    assert served.client(GRAPHS).get("moments/picture.jpg", params=asked).status_code == 403
    yard = replace(kept, camera="yard")
    write_shard(served.layout.index, yard, [seen(NOW + 9000, shades)], thumbnails={NOW + 9020: jpeg})
    assert served.client().get("moments/picture.jpg", params=asked | {"camera": "yard"}).status_code == 200
    assert served.client(DOOR).get("moments/picture.jpg", params=asked | {"camera": "yard"}).status_code == 404


def as_jpeg(colour: str) -> bytes:
    file = BytesIO()
    Image.fromarray(frame(colour)).save(file, format="JPEG")
    return file.getvalue()


def test_an_image_is_searched_for(served: Served) -> None:
    found = served.client().post("search", content=as_jpeg("blue")).json()
    assert (found["moments"][0]["camera"], found["probable"]) == ("door", False)
    assert served.client().post("search", content=b"x").json()["error"] == "not_an_image"
    assert served.client().post("search", content=b"").status_code == 415


def test_nobody_finds_what_lies_beyond_the_own_cameras(served: Served) -> None:
    assert served.client(None).get("search?q=red").status_code == 401
    assert served.client(GRAPHS).get("search?q=red").json()["error"] == "permission_missing"
    assert served.client(GRAPHS).post("search", content=b"x").status_code == 403
    mine = served.client(DOOR).get("search?q=red").json()
    assert {m["camera"] for m in mine["moments"]} == {"door"}
    assert served.client(DOOR).get("search?q=red&camera=yard").json()["moments"] == []
    hours = served.client().get("search?q=red").json()["hours"]
    assert mine["hours"] < hours
    old = replace(LIVE, camera="yard", key="old", encoder="lite/other@1")
    write_shard(served.layout.index, old, [seen(NOW + 9000, ["red"])])
    assert served.client().get("search?q=red").json()["unsearchable"][0]["encoder"] == "lite/other@1"
    assert served.client(DOOR).get("search?q=red").json()["unsearchable"] == []


def test_what_resembles_an_event_is_found_without_the_event(served: Served) -> None:
    event = make_event(
        camera="door",
        start=NOW + 41.0,
        end=NOW + 46.0,
        segment="session-1/0",
        modalities={"vision": 1.0},
        live=True,
    )
    served.log.append([event])
    found = served.client().get(f"search?like={event.id}&limit=2").json()
    assert not found["probable"]
    assert {(m["camera"], m["start"] - NOW) for m in found["moments"]} == {("yard", 17.5), ("door", 3645.5)}
    bedroom = make_event(1, camera="bedroom", start=NOW, end=NOW + 5.0, segment="x/0", live=True)
    served.log.append([bedroom])
    for client, like in ((served.client(), "absent"), (served.client(DOOR), bedroom.id)):
        assert client.get(f"search?like={like}").json()["message"].startswith(f"there is no event {like}")
    gone = served.client().get(f"search?like={bedroom.id}")
    assert (gone.status_code, gone.json()["error"]) == (422, "search_invalid")
    assert "the index does not have the time" in gone.json()["message"]


def test_a_moment_names_the_event_that_shows_it(served: Served) -> None:
    event = make_event(camera="door", start=NOW + 40.0, end=NOW + 47.0, segment="session-1/0", live=True)
    served.log.append([event])
    moments = served.client().get("search?q=red").json()["moments"]
    assert {m["event"] for m in moments if m["camera"] == "door" and m["start"] < NOW + 100} >= {event.id}
    assert {m["event"] for m in moments if m["start"] > NOW + 100} == {None}


def test_an_upload_is_seen_and_plays(served: Served, tmp_path: Path) -> None:
    film = tmp_path / "done" / "film.mp4"
    make_video(film, every(200, 100))
    tape = replace(LIVE, camera="uploads", key="film", live=False, file=StoredFile("film.mp4", "film.mp4"))
    write_shard(served.layout.index, tape, [seen(0.5, ["green"] * 8 + ["red"] * 6 + ["green"] * 6)])
    UploadRecords(served.layout.uploads).note(WatchedUpload(str(film), NOW - 1, NOW + 9))
    client = served.client(FILES)
    (moment, *_) = client.get("search?q=red").json()["moments"]
    assert (moment["file"], moment["start"], moment["end"], moment["plays"]) == ("film.mp4", 8.0, 14.0, True)
    where = {"camera": "uploads", "key": "film"}
    clip = client.get("moments/clip.mp4", params=where | {"start": 8, "end": 10})
    assert clip.status_code == 200, clip.text
    assert clip.headers["content-type"] == "video/mp4"
    assert len(shown(clip.content)) > 5
    part = client.get("moments/clip.mp4", params=where | {"start": 8, "end": 10}, headers={"range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    picture = client.get("moments/picture.jpg", params=where | {"at": 9})
    with Image.open(BytesIO(picture.content)) as opened:
        assert opened.format == "JPEG"
    for path in ("moments/clip.mp4?start=0&end=1&", "moments/picture.jpg?at=1&"):
        assert served.client(None).get(f"{path}camera=uploads&key=film").status_code == 401
        assert served.client(DOOR).get(f"{path}camera=uploads&key=film").status_code == 404
        assert served.client(GRAPHS).get(f"{path}camera=uploads&key=film").status_code == 403
        assert client.get(f"{path}camera=uploads&key=other").status_code == 404
        assert served.client().get(f"{path}camera=door&key=session-1").status_code == 404
    film.unlink()
    assert client.get("moments/picture.jpg", params=where | {"at": 9}).status_code == 404
    assert not client.get("search?q=red").json()["moments"][0]["plays"]


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 422, "search_invalid"),
        ("q=red&class=unicorn", 422, "search_invalid"),
        ("q=red&since=soon", 422, "invalid_request"),
        ("q=red&limit=0", 422, "invalid_request"),
        (f"q={'r' * 301}", 422, "invalid_request"),
    ],
)
def test_a_search_that_is_none_is_refused(served: Served, query: str, status: int, error: str) -> None:
    answer = served.client().get(f"search?{query}")
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_before_the_models_are_loaded_a_search_may_be_tried_again(serve: Serve) -> None:
    answer = serve().client().get("search?q=red")
    assert (answer.status_code, answer.json()["error"]) == (503, "search_busy")
    assert answer.headers["retry-after"]
