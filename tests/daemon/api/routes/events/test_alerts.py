"""Alerts over HTTP: what became of each, tests, replays, and mutes by a token or by the link of a message."""

import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.alerts.links import Links, link_key
from daemon.alerts.store.database import open_database
from daemon.alerts.store.decisions import Decisions
from daemon.alerts.types import SuppressReason
from daemon.sqlite_file import transaction
from tests.daemon.api.conftest import ALL, DOOR, Serve, Served
from tests.daemon.api.test_session import MARK, logged_in
from tests.support.events import make_event
from tests.support.serving.receivers import receiver
from tests.support.serving.servers import closed_port

PUBLIC = "https://cams.example.org"
SECRET = "s3wn-webhook-address"


def targets(**webhooks: str) -> dict[str, Any]:
    return {"public_url": PUBLIC, "targets": {name: {"webhook": url} for name, url in webhooks.items()}}


def decide(served: Served, number: int, camera: str, reason: SuppressReason | None, state: str = "") -> str:
    """Write an alert as the daemon does; return its id."""
    event = make_event(number, camera)
    served.log.append([event])
    with closing(open_database(served.layout.alerts)) as connection:
        with transaction(connection):
            decisions = Decisions(connection)
            decisions.keep_event(event, 1000.0 + number)
            message = None if reason else decisions.add_message("alert", "hook", event, 1000.0, 1000.0, 2e9)
            decisions.add_alert("hook", event, 1000.0 + number, message, reason)
            if state:
                connection.execute("UPDATE alerts SET state = ? WHERE event_id = ?", (state, event.id))
        found: str = connection.execute("SELECT id FROM alerts WHERE event_id = ?", (event.id,)).fetchone()[0]
    return found


def test_alerts_are_listed_newest_first_by_filter_and_page(serve: Serve) -> None:
    served = serve(alerts=targets(hook="https://10.0.0.9/x"))
    client = served.client()
    assert client.get("alerts").json()["alerts"] == []  # nothing was ever decided
    for number in range(5):
        decide(served, number, ("door", "bedroom")[number % 2], "cooldown" if number == 3 else None)
    page = client.get("alerts?limit=3").json()
    assert [row["event_id"][:4] for row in page["alerts"]] == ["0004", "0003", "0002"]
    rest = client.get(f"alerts?limit=3&before={page['next']}").json()
    assert ([row["event_id"][:4] for row in rest["alerts"]], rest["next"]) == (["0001", "0000"], None)
    suppressed = client.get("alerts?state=suppressed").json()["alerts"]
    assert [(row["state"], row["reason"], row["target"]) for row in suppressed] == [("suppressed", "cooldown", "hook")]
    assert page["targets"] == [
        {"name": "hook", "up": None, "waiting": 0, "oldest_s": 0.0, "delivered": 0, "failures": 0, "dead": 0}
    ]
    counts = {"camera=door": 3, "event=cat": 5, "target=phone": 0, "until=1001": 1, "since=1003": 2}
    for query, count in counts.items():
        assert len(client.get(f"alerts?{query}").json()["alerts"]) == count, query
    event = client.get(f"events/{make_event(3).id}").json()
    assert event["alerts"] == suppressed


def test_a_limited_token_sees_alerts_of_its_cameras(serve: Serve) -> None:
    served = serve(alerts=targets(hook="https://10.0.0.9/x"))
    decide(served, 1, "door", None)
    hidden = decide(served, 2, "bedroom", None, "dead")
    client = served.client(DOOR)
    for query in ("", "?camera=bedroom", f"?event_id={make_event(2).id}"):
        assert "bedroom" not in client.get(f"alerts{query}").text
    assert [row["camera"] for row in client.get("alerts").json()["alerts"]] == ["door"]
    assert client.post(f"alerts/{hidden}/replay").json()["error"] == "not_found"
    assert client.post("mutes", json={"camera": "bedroom"}).json()["error"] == "not_found"
    assert client.post("alerts/test", json={"target": "hook"}).json()["error"] == "cameras_limited"
    served.client().post("mutes", json={"camera": "bedroom"})
    assert client.get("alerts").json()["mutes"] == []


def test_an_alert_is_sent_again_once(serve: Serve) -> None:
    served = serve(alerts=targets(hook="https://10.0.0.9/x"))
    alert = decide(served, 1, "door", "quiet_hours")
    assert served.client().post(f"alerts/{alert}/replay").status_code == 202
    (row,) = served.client().get("alerts").json()["alerts"]
    assert (row["state"], row["reason"]) == ("pending", "replayed")
    assert served.client().post(f"alerts/{alert}/replay").json()["error"] == "alert_waits"
    assert served.client().post(f"alerts/{alert[:8]}/replay").status_code == 404


def test_a_replay_to_a_target_that_is_gone_is_refused(serve: Serve) -> None:
    served = serve()
    alert = decide(served, 1, "door", None, "dead")
    assert served.client().post(f"alerts/{alert}/replay").json()["error"] == "target_gone"


def test_a_test_message_arrives_or_says_why_not(serve: Serve) -> None:
    with receiver() as hook:
        dead = f"http://127.0.0.1:{closed_port()}/{SECRET}"
        served = serve(alerts=targets(hook=hook.url, dead=dead))
        client = served.client()
        assert client.post("alerts/test", json={"target": "hook"}).status_code == 204
        assert len(hook.got) == 1
        answer = client.post("alerts/test", json={"target": "dead"})
        assert answer.status_code == 502
        assert answer.json()["message"]
        assert SECRET not in answer.text + client.get("alerts").text + client.get("rules").text
        assert client.post("alerts/test", json={"target": "nobody"}).status_code == 404


def test_a_camera_or_a_rule_on_it_is_muted_for_a_while(serve: Serve) -> None:
    served = serve()
    decide(served, 1, "door", None)
    client = served.client()
    assert client.post("mutes", json={"camera": "door", "event": "red", "seconds": 60}).status_code == 204
    (mute,) = client.get("alerts").json()["mutes"]
    assert (mute["camera"], mute["event"]) == ("door", "red")
    assert client.post("mutes", json={"camera": "door", "event": "red", "seconds": 0}).status_code == 204
    assert client.get("alerts").json()["mutes"] == []
    for wrong in ({"camera": "nowhere"}, {"camera": "door", "event": "nothing"}):
        assert client.post("mutes", json=wrong).status_code == 404
    for seconds in (-1, 1e9, "long"):
        assert client.post("mutes", json={"camera": "door", "seconds": seconds}).status_code == 422


def link(served: Served, camera: str, event: str, now: float) -> str:
    url = Links(PUBLIC, link_key(served.layout.alerts)).mute(camera, event, now)
    assert url
    return f"mute?{urlsplit(url).query}"


@pytest.mark.parametrize("session", [False, True])
def test_the_link_of_a_message_mutes_after_a_question_and_without_a_token(serve: Serve, session: bool) -> None:
    served = serve(alerts=targets(hook="https://10.0.0.9/x"))
    decide(served, 1, "door", None)
    client = logged_in(served, ALL) if session else served.client(None)
    client.headers.pop("x-watchword", None)  # a form cannot set it
    path = link(served, "door", "<b>cat</b>", 4e9)
    answer = client.get(path, headers={"sec-fetch-site": "cross-site"})  # from a messenger
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert "<form method=" in answer.text
    assert "<b>" not in answer.text
    assert mutes(served) == []
    assert client.post(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post(path, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    assert mutes(served) == [("door", "<b>cat</b>")]


def test_a_link_that_was_changed_or_is_too_old_mutes_nothing(serve: Serve) -> None:
    served = serve(alerts=targets(hook="https://10.0.0.9/x"))
    decide(served, 1, "door", None)
    good = link(served, "door", "cat", 4e9)
    client = served.client(None, **MARK)
    for path in (good.replace("door", "bedroom"), good.replace("cat", "dog"), link(served, "door", "cat", 0.0), "mute"):
        for method in ("GET", "POST"):
            answer = client.request(method, path)
            assert (answer.status_code, "Nothing was changed" in answer.text) == (403, True)
    assert mutes(served) == []


def mutes(served: Served) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(served.layout.alerts / "outbox.db")) as connection:
        return connection.execute("SELECT camera, event FROM mutes").fetchall()
