"""Events by page and filter, one event, and its evidence."""

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.api.conftest import DOOR, Serve, Served
from tests.support.events import make_event, make_live

PICTURE = b"\xff\xd8 a picture \xff\xd9"


def kept(served: Served, *events: Any) -> None:
    served.log.append(events)


def ids(answer: Any) -> list[int]:
    """The numbers of the events in an answer."""
    return [int(body["id"][:4], 16) for body in answer.json()["events"]]


def test_pages_lead_through_all_events_newest_first_and_each_once(serve: Serve) -> None:
    served = serve()
    kept(served, *(make_event(n) for n in range(7)))
    kept(served, make_event(2, type="end", revision=1, score=0.99))
    client, seen, before = served.client(), [], ""
    while True:
        answer = client.get(f"events?limit=3{before}")
        seen += ids(answer)
        if (following := answer.json()["next"]) is None:
            break
        before = f"&before={following}"
        kept(served, make_event(100 + len(seen)))  # what is new meanwhile moves no page
    assert seen == [2, 6, 5, 4, 3, 1, 0]
    first = client.get("events?limit=500&camera=door").json()["events"][2]
    assert (first["revision"], first["score"], first["type"]) == (1, 0.99, "end")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("camera=door", [6, 4, 2, 0]),
        ("camera=nowhere", []),
        ("event=dog", [5, 4]),
        ("camera=door&event=dog", [4]),
        ("live=true", [3]),
        ("live=false&camera=yard", [5, 1]),
        ("q=PARCEL", [6]),
        ("q=dog", [5, 4]),  # the name of the rule
        ("q=一只", [6, 5, 4, 3, 2, 1, 0]),  # the description
        ("q=holiday", [2]),  # the file
        ("q=ladder", [5]),  # the caption
        ("q=confidence", []),  # a name of a field is no text
        ("q=100%25", [1]),
        ("q=1_0", []),
        ("q=say%20%22no%22", [0]),
        ("since=0&until=1", []),
        ("since=2020-01-01&event=dog", [5, 4]),
        ("since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00%2B02:00", []),
    ],
)
def test_filters(serve_events: Served, query: str, found: list[int]) -> None:
    assert ids(serve_events.client().get(f"events?{query}")) == found


@pytest.fixture
def serve_events(serve: Serve) -> Served:
    served = serve()
    file = {"file": "2026/holiday.mp4", "name": "holiday.mp4", "sha256": None, "duration": 9.0}
    caption = {"text": "A ladder leans there.", "language": "en", "model": "tiny", "prompt": "caption-1"}
    kept(
        served,
        make_event(0, text='say "no"'),
        make_event(1, "yard", text="100% sure"),
        make_event(2, source=file),
        make_live(3, camera="yard"),
        make_event(4, event="dog"),
        make_event(5, "yard", event="dog", caption=caption),
        make_event(6, text="a parcel for you"),
    )
    return served


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "since=yesterday", "live=perhaps", "before=-1", "q=" + "x" * 201]
)
def test_a_wrong_filter_is_named_and_not_repeated(serve: Serve, query: str) -> None:
    answer = serve().client().get(f"events?{query}")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
    assert f"query.{query.partition('=')[0]}" in answer.json()["message"]
    assert "yesterday" not in answer.text


def test_an_empty_log_has_no_events(serve: Serve) -> None:
    assert serve().client().get("events").json() == {"events": [], "next": None, "last": 0}


def test_one_event_has_its_history(serve: Serve) -> None:
    served = serve()
    kept(served, make_event(1), make_event(2), make_event(1, type="end", revision=1, end=9.0))
    document = served.client().get(f"events/{make_event(1).id}").json()
    assert (document["event"]["type"], document["event"]["end"]) == ("end", 9.0)
    assert [(r["seq"], r["revision"], r["type"]) for r in document["revisions"]] == [(1, 0, "new"), (3, 1, "end")]
    assert served.client().get("events/0000").json()["error"] == "not_found"


def with_evidence(served: Served, number: int, **paths: Path | str | None) -> str:
    evidence = make_event().evidence.model_dump(mode="json") | {k: v and str(v) for k, v in paths.items()}
    event = make_event(number, evidence=evidence)
    kept(served, event)
    return event.id


def test_evidence_is_served_whole_and_in_parts(serve: Serve) -> None:
    served = serve()
    folder = served.layout.evidence / "door"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(PICTURE)
    (folder / "a.mp4").write_bytes(bytes(range(200)))
    event = with_evidence(served, 1, snapshot=folder / "a.jpg", clip=folder / "a.mp4", explanation=folder / "a.jpg")
    client = served.client()
    answer = client.get(f"events/{event}/snapshot.jpg")
    assert (answer.content, answer.headers["content-type"]) == (PICTURE, "image/jpeg")
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get(f"events/{event}/snapshot.jpg", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"events/{event}/explanation.png").headers["content-type"] == "image/png"
    part = client.get(f"events/{event}/clip.mp4", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/200"
    assert client.get(f"events/{event}/clip.mp4").headers["accept-ranges"] == "bytes"
    assert client.get(f"events/{event}/clip.mp4", headers={"range": "bytes=500-"}).status_code == 416


def test_evidence_that_is_not_there_says_whether_to_ask_again(serve: Serve) -> None:
    served = serve()
    folder = served.layout.evidence / "door"
    event = with_evidence(served, 1, snapshot=folder / "a.jpg", clip=folder / "a.mp4", explanation=None)
    client = served.client()
    for path, code in (
        ("snapshot.jpg", "no_picture"),
        ("explanation.png", "no_picture"),
        ("clip.mp4", "clip_not_ready"),
    ):
        answer = client.get(f"events/{event}/{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, code)
        assert ("retry-after" in answer.headers) == (code == "clip_not_ready")
    assert client.get(f"events/{with_evidence(served, 2, clip=None)}/clip.mp4").json()["error"] == "no_clip"


def test_nothing_outside_the_evidence_folder_is_served(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    folder = served.layout.evidence
    (folder / "door").mkdir(parents=True)
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"s3cret")
    (folder / "door" / "link.jpg").symlink_to(secret)
    (folder / "elsewhere").symlink_to(tmp_path)
    (tmp_path / "state" / "evidence2").mkdir()
    (tmp_path / "state" / "evidence2" / "x.jpg").write_bytes(b"s3cret")
    escapes: list[Path | str] = [
        secret,
        folder / "door" / "link.jpg",
        folder / "elsewhere" / "secret.jpg",
        folder / ".." / ".." / "secret.jpg",
        tmp_path / "state" / "evidence2" / "x.jpg",
        "https://10.0.0.1/x.jpg",
        "/etc/passwd",
        "",
        "x\0y",
    ]
    for number, path in enumerate(escapes):
        event = with_evidence(served, number, snapshot=path, clip=path, explanation=path)
        for kind in ("snapshot.jpg", "clip.mp4", "explanation.png"):
            answer = served.client().get(f"events/{event}/{kind}")
            assert answer.status_code == 404, path
            assert "s3cret" not in answer.text
    for path in ("events/..%2f..%2fsecret.jpg/snapshot.jpg", "events/%2e%2e/snapshot.jpg"):
        assert served.client().get(path).status_code == 404


def test_a_limited_token_finds_no_event_of_other_cameras(serve: Serve) -> None:
    served = serve()
    folder = served.layout.evidence
    (folder / "bedroom").mkdir(parents=True)
    (folder / "bedroom" / "b.jpg").write_bytes(PICTURE)
    kept(served, make_event(1, "door"), make_event(2, "bedroom", text="whisper"), make_event(3, "uploads"))
    client = served.client(DOOR)
    for query in ("", "?camera=bedroom", "?q=whisper", "?event=cat", "?live=false", "?before=99"):
        answer = client.get(f"events{query}")
        assert set(ids(answer)) <= {1}
        assert "bedroom" not in answer.text
    assert ids(client.get("events")) == [1]
    for number, status in ((1, 200), (2, 404), (3, 404)):
        assert client.get(f"events/{make_event(number).id}").status_code == status
    hidden = with_evidence(served, 2, snapshot=folder / "bedroom" / "b.jpg")
    kept(served, make_event(9, "bedroom"))
    for kind in ("snapshot.jpg", "clip.mp4", "explanation.png"):
        assert client.get(f"events/{make_event(9).id}/{kind}").json()["error"] == "not_found"
    assert served.client().get(f"events/{hidden}/snapshot.jpg").status_code == 200


def test_a_log_that_cannot_be_read_is_told(serve: Serve) -> None:
    served = serve()
    kept(served, make_event(1))
    served.log.close()
    (served.layout.event_log / "log.db").write_bytes(b"no database" * 1000)
    answer = served.client().get("events")
    assert (answer.status_code, answer.json()["error"]) == (503, "event_log_unreadable")
    assert "retry-after" in answer.headers
