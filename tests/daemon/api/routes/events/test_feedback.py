"""Feedback over HTTP: who may judge an event and choose what was learned, and the links in messages that judge."""

import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from alignment.personal.files import pack_samples
from alignment.personal.samples import Samples
from daemon.alerts.links import Links, Verdict, link_key
from daemon.feedback.learning import Learner
from tests.daemon.api.conftest import ALL, DOOR, FILES, GRAPHS, Serve, Served
from tests.support.events import make_event
from workers.events.event import Event

PUBLIC = "https://door.example"


def found(served: Served, number: int, camera: str = "door", direction: int = 0) -> Event:
    """An event in the log with the features that a stream kept of it."""
    event = make_event(number, camera, event="red")
    served.log.append([event])
    frames = np.zeros((2, 8), np.float32)
    frames[:, direction] = 1
    shares = np.array([[1, 0, 0]] * 2, np.float32)
    samples = Samples(frames, frames[:, :0], frames[:, :0], shares, np.full(2, 2, np.float32))
    path = served.layout.feedback_samples / camera / f"{event.id}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack_samples(samples, {"event": "red", "key": "k", "threshold": 0.6}))
    return event


def test_an_event_is_judged_and_the_rule_has_learned(serve: Serve) -> None:
    served = serve()
    client = served.client()
    for number in range(6):
        event = found(served, number, direction=number % 2)
        assert client.get(f"events/{event.id}/feedback").json() == {"verdict": None, "can_be_judged": True}
        said: Verdict = "wrong" if number % 2 else "right"
        assert client.post(f"events/{event.id}/feedback", json={"verdict": said}).json()["verdict"] == said
    Learner(served.layout).step()
    learned = client.get("rules/red/feedback").json()
    assert (learned["right"], learned["wrong"], learned["in_force"], learned["held"]) == (3, 3, 1, False)
    (version,) = learned["versions"]
    assert (version["right_kept"], version["wrong_kept"], version["waits_for"]) == (3, 0, "")
    assert len(version["recent"]["gone"]) == 3

    assert client.post("rules/red/feedback", json={"version": "back"}).json()["in_force"] == 0
    chosen = client.post("rules/red/feedback", json={"version": 1}).json()
    assert (chosen["in_force"], chosen["held"]) == (1, True)
    assert client.post("rules/red/feedback", json={"version": "auto"}).json()["held"] is False
    assert client.post("rules/red/feedback", json={"version": 7}).json()["error"] == "no_such_head"
    assert client.post("rules/red/feedback", json={"version": "best"}).status_code == 422
    assert client.post("rules/nothing/feedback", json={"version": 0}).status_code == 404
    answer = client.post(f"events/{event.id}/feedback", json={"verdict": "none"})
    assert answer.json() == {"verdict": None, "can_be_judged": True}


def test_who_may_judge_and_choose(serve: Serve) -> None:
    served = serve()
    seen, hidden = found(served, 1), found(served, 2, "bedroom")
    wrong = {"verdict": "wrong"}
    for token in (GRAPHS, FILES):
        answer = served.client(token).post(f"events/{seen.id}/feedback", json=wrong)
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_missing")
    door = served.client(DOOR)
    assert door.post(f"events/{seen.id}/feedback", json=wrong).status_code == 200
    for answer in (door.get(f"events/{hidden.id}/feedback"), door.post(f"events/{hidden.id}/feedback", json=wrong)):
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert door.post("rules/red/feedback", json={"version": 0}).json()["error"] == "cameras_limited"
    assert served.client(FILES).post("rules/red/feedback", json={"version": 0}).json()["error"] == "permission_missing"
    assert served.client(GRAPHS).get("rules/red/feedback").json()["error"] == "permission_missing"
    assert served.client(None).get("rules/red/feedback").status_code == 401
    served.client(ALL).post(f"events/{hidden.id}/feedback", json=wrong)
    Learner(served.layout).step()
    (version,) = served.client().get("rules/red/feedback").json()["versions"]
    assert set(version["recent"]["gone"]) <= {seen.id, hidden.id}
    assert door.get("rules/red/feedback").json()["versions"][0]["recent"]["gone"] == []


def test_an_event_without_features_says_why_it_cannot_be_judged(serve: Serve) -> None:
    served = serve()
    event = make_event(1, event="red")
    served.log.append([event])
    client = served.client()
    assert client.get(f"events/{event.id}/feedback").json() == {"verdict": None, "can_be_judged": False}
    answer = client.post(f"events/{event.id}/feedback", json={"verdict": "wrong"})
    assert (answer.status_code, answer.json()["error"]) == (409, "not_judgeable")


def link(served: Served, event_id: str, verdict: Verdict, now: float) -> str:
    url = Links(PUBLIC, link_key(served.layout.alerts)).feedback(event_id, verdict, now)
    assert url is not None
    return f"feedback?{urlsplit(url).query}"


def test_the_link_of_a_message_judges_after_a_question_and_without_a_token(serve: Serve) -> None:
    served = serve(alerts={"public_url": PUBLIC})
    event = found(served, 1)
    client = served.client(None)
    path = link(served, event.id, "wrong", time.time())
    asked = client.get(path)
    assert (asked.status_code, "false alert" in asked.text) == (200, True)
    assert client.head(path).status_code in (200, 405)
    assert served.client().get(f"events/{event.id}/feedback").json()["verdict"] is None
    assert client.post(path).status_code == 200
    assert served.client().get(f"events/{event.id}/feedback").json()["verdict"] == "wrong"
    assert client.post(link(served, "0099cafe", "wrong", time.time())).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_that_was_changed_or_is_too_old_judges_nothing(serve: Serve, method: str) -> None:
    served = serve(alerts={"public_url": PUBLIC})
    event, other = found(served, 1), found(served, 2)
    good = link(served, event.id, "wrong", time.time())
    mute = Links(PUBLIC, link_key(served.layout.alerts)).mute(event.id, "wrong", time.time())
    assert mute is not None
    stolen = f"feedback?{urlsplit(mute).query}".replace("camera=", "event=").replace("&event=wrong", "&verdict=wrong")
    old = link(served, event.id, "wrong", 0.0)
    for path in (good.replace("wrong", "right"), good.replace(event.id, other.id), old, stolen, "feedback"):
        answer = served.client(None).request(method, path)
        assert (answer.status_code, "Nothing was changed" in answer.text) == (403, True)
    for one in (event, other):
        assert served.client().get(f"events/{one.id}/feedback").json()["verdict"] is None
