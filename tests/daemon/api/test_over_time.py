"""Rules over time through the API: read, saved, listed; and events of several cameras for tokens of one."""

import json
from typing import Any

from tests.daemon.api.conftest import DOOR, Serve
from tests.support.events import make_live

WHEN = "door.red then bedroom.undressing within 60s"


def parts(*cameras: str) -> list[dict[str, Any]]:
    return [{"id": f"{c}1", "camera": c, "event": "red", "start": 1.5, "end": 2.0, "score": 0.5} for c in cameras]


def test_a_rule_over_time_is_read_saved_and_listed(serve: Serve) -> None:
    served = serve()
    with served.client() as client:
        read = client.post("rules/read", json={"when": "red for at least 5s"}).json()["reading"]
        assert read["sentences"] == {"en": "red that lasts at least 5 s", "zh": "持续至少 5 秒的 red"}
        wrong = client.post("rules/read", json={"when": "red then"})
        assert wrong.status_code == 422
        assert wrong.json()["message"] == 'events.preview.when: after "red then" is expected an event or CAMERA.EVENT'
        version = client.get("rules").json()["version"]
        saved = client.put("rules/both", json={"when": WHEN, "priority": 7}, headers={"if-match": version})
        assert saved.status_code == 200, saved.text
        rule = client.get("rules/both").json()
        assert (rule["config"], rule["cameras"], rule["reading"]["priority"]) == (
            {"when": WHEN, "priority": 7},
            ["door"],
            7,
        )
        refused = client.delete("rules/red", headers={"if-match": saved.json()["version"]})
        assert refused.json()["problems"][0]["message"] == 'no event is called "red"'
    with served.client(DOOR) as client:  # it names a camera of which this token must not know
        assert "both" not in {rule["name"] for rule in client.get("rules").json()["rules"]}


def test_an_event_of_several_cameras_is_for_those_who_may_see_all(serve: Serve) -> None:
    served = serve()
    own = make_live(1, camera="door", parts=parts("door"), cameras=["door"])
    both = make_live(2, camera="door", parts=parts("door", "bedroom"), cameras=["door", "bedroom"])
    served.log.append([own, both])
    with served.client() as client:
        assert len(client.get("events").json()["events"]) == 2
    with served.client(DOOR) as client:
        assert [event["id"] for event in client.get("events").json()["events"]] == [own.id]
        assert client.get(f"events/{both.id}").status_code == 404
        with client.stream("GET", "stream", params={"after": 0}) as response:
            lines = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {"))
            bodies = (json.loads(line) for line in lines)
            assert next(body["id"] for body in bodies if "revision" in body) == own.id
            served.log.append([make_live(3, camera="door")])
            assert next(body["id"] for body in bodies if "revision" in body) == make_live(3).id
