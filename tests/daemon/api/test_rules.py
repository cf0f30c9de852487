"""Rules and cameras: read as they are written, changed from the version that was read, or not at all."""

from typing import Any

import httpx
import pytest
import yaml

from tests.daemon.api.conftest import CONFIG, DOOR, FILES, Serve, Served

RED = {"describe": "a red picture", "threshold": 0.7}


def version(client: httpx.Client) -> str:
    return str(client.get("rules").json()["version"])


def put(client: httpx.Client, path: str, entry: Any, **headers: str) -> httpx.Response:
    return client.put(path, json=entry, headers={"if-match": version(client)} | headers)


def on_disk(served: Served) -> dict[str, Any]:
    return yaml.safe_load((served.folder / "config.yaml").read_text())


def test_rules_say_where_they_apply_and_how_they_are_read(serve: Serve) -> None:
    served = serve(events=CONFIG["events"] | {"cat": {"describe": ["a cat", "a grey picture"], "min_duration": "2s"}})
    answer = served.client().get("rules")
    rules = {rule["name"]: rule for rule in answer.json()["rules"]}
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    assert list(rules) == ["red", "undressing", "cat"]
    assert rules["red"]["cameras"] == ["door", "uploads"]
    assert rules["undressing"]["cameras"] == ["door", "bedroom", "uploads"]
    assert rules["cat"]["config"] == {"describe": ["a cat", "a grey picture"], "min_duration": "2s"}
    reading = rules["cat"]["reading"]
    assert [one["text"] for one in reading["descriptions"]] == ["a cat", "a grey picture"]
    grey = reading["descriptions"][1]
    assert (grey["text"], grey["read_as"], grey["problem"]) == ("a grey picture", "a grey picture", None)
    assert (reading["min_duration_s"], reading["modalities"], reading["priority"]) == (2.0, ["vision"], 5)
    (warning,) = rules["cat"]["warnings"]
    assert warning.startswith("colour understands colours by name")
    assert served.client().get("rules/cat").json() == rules["cat"]
    assert served.client().get("rules/dog").status_code == 404


def test_a_rule_is_added_replaced_and_removed(serve: Serve) -> None:
    served = serve()
    client = served.client()
    answer = put(client, "rules/blue", {"describe": "a blue picture"})
    assert (answer.status_code, answer.json()["version"]) == (200, version(client))
    assert answer.headers["etag"] == f'"{version(client)}"'
    assert on_disk(served)["events"]["blue"] == {"describe": "a blue picture"}
    assert put(client, "rules/red", RED).status_code == 200
    assert on_disk(served)["events"]["red"] == RED
    answer = client.delete("rules/red", headers={"if-match": f'"{version(client)}"'})
    assert answer.status_code == 200
    assert set(on_disk(served)["events"]) == {"blue", "undressing"}
    assert served.taken_over == 3


def test_a_rule_is_switched_off_and_on_again(serve: Serve) -> None:
    served = serve()
    client = served.client()
    for enabled, cameras in ((False, []), (True, ["door", "uploads"])):
        assert put(client, "rules/red", CONFIG["events"]["red"] | {"enabled": enabled}).status_code == 200
        rule = client.get("rules/red").json()
        assert (rule["enabled"], rule["cameras"]) == (enabled, cameras)


def test_a_rule_that_is_removed_leaves_the_cameras_that_list_it(serve: Serve) -> None:
    cameras = {
        "door": {"url": "rtsp://a/1", "events": ["red", "undressing"]},
        "b": {"url": "rtsp://b/1", "events": {"red": {"threshold": 0.9}, "undressing": None}},
        "c": {"url": "rtsp://c/1"},
    }
    served = serve(cameras=cameras)
    client = served.client()
    assert client.delete("rules/red", headers={"if-match": version(client)}).status_code == 200
    assert on_disk(served)["cameras"]["door"]["events"] == ["undressing"]
    assert on_disk(served)["cameras"]["b"]["events"] == {"undressing": None}
    answer = client.delete("rules/undressing", headers={"if-match": version(client)})
    assert (answer.status_code, answer.json()["error"]) == (409, "rule_in_use")
    assert "camera door" in answer.json()["message"]


def test_of_two_editors_the_second_is_told_and_nothing_is_overwritten(serve: Serve) -> None:
    served = serve()
    client = served.client()
    old = version(client)
    assert client.put("rules/red", json=RED).json()["error"] == "version_required"
    assert put(client, "rules/red", RED).status_code == 200
    answer = client.put("rules/red", json={"describe": "a blue picture"}, headers={"if-match": old})
    assert (answer.status_code, answer.json()["error"]) == (412, "configuration_changed")
    assert answer.json()["version"] == version(client)
    assert on_disk(served)["events"]["red"] == RED
    assert served.taken_over == 1


@pytest.mark.parametrize(
    ("path", "entry", "key"),
    [
        ("rules/red", {"describe": "a red picture", "treshold": 0.5}, "events.red.treshold"),
        ("rules/red", {}, "events.red.describe"),
        ("rules/red", {"describe": "x", "threshold": 0.5, "max_false_alerts": "1/day"}, "events.red.threshold"),
        ("rules/red", {"describe": "x", "zone": "garden"}, "events.red.zone"),
        ("cameras/door", {"url": "nonsense://x"}, "cameras.door.url"),
        ("cameras/uploads", {"url": "rtsp://x/1"}, "cameras.uploads"),
        ("cameras/new", {"url": "rtsp://x/1", "events": ["unknown"]}, "cameras.new.events[0]"),
    ],
)
def test_what_is_not_valid_changes_nothing_and_is_reported_with_its_place(
    serve: Serve, path: str, entry: dict[str, Any], key: str
) -> None:
    served = serve()
    before = on_disk(served)
    answer = put(served.client(), path, entry)
    document = answer.json()
    assert (answer.status_code, document["error"]) == (422, "configuration_invalid")
    assert key in [problem["key"] for problem in document["problems"]]
    assert document["message"]
    assert str(served.folder) not in answer.text
    assert on_disk(served) == before
    assert served.taken_over == 0


def test_names_that_are_none_are_refused(serve: Serve) -> None:
    client = serve().client()
    for name in ("a%20b", "%2e%2e", "x" * 200, "a%2fb"):
        assert put(client, f"rules/{name}", RED).status_code in (404, 405, 422)
        assert put(client, f"cameras/{name}", {"url": "rtsp://x/1"}).status_code in (404, 405, 422)


def test_how_a_rule_would_be_read_is_told_without_saving_it(serve: Serve) -> None:
    served = serve()
    before = on_disk(served)
    answer = served.client().post("rules/read", json={"describe": "a blue picture", "zone": "gate"}).json()
    assert answer["reading"]["descriptions"][0]["problem"] is None
    assert answer["warnings"] == []
    answer = served.client().post("rules/read", json={"describe": "a cat"}).json()
    assert answer["warnings"] == [answer["reading"]["descriptions"][0]["problem"]]
    answer = served.client().post("rules/read", json={"describe": "a cat", "zone": "garden"})
    assert answer.json()["error"] == "configuration_invalid"
    assert on_disk(served) == before


def test_a_camera_is_edited_without_its_password_ever_being_shown(serve: Serve) -> None:
    served = serve()
    client = served.client()
    answer = client.get("cameras/door/config")
    entry = answer.json()["config"]
    assert entry["url"] == "rtsp://***@10.0.0.5/1"
    assert answer.json()["version"] == version(client)
    assert put(client, "cameras/door", entry | {"fps": 2}).status_code == 200
    assert on_disk(served)["cameras"]["door"]["url"] == "rtsp://viewer:s3wn-literal@10.0.0.5/1"
    assert on_disk(served)["cameras"]["door"]["fps"] == 2
    moved = put(client, "cameras/door", entry | {"url": "rtsp://***@10.0.0.66/1"})
    assert (moved.status_code, "s3wn" in moved.text) == (422, False)
    assert put(client, "cameras/porch", {"url": "rtsp://u:s3wn-other@10.0.0.7/1"}).status_code == 200
    assert [camera["name"] for camera in client.get("cameras").json()["cameras"]] == ["door", "bedroom", "porch"]
    assert "s3wn" not in client.get("cameras").text + client.get("cameras/porch/config").text
    assert client.delete("cameras/porch", headers={"if-match": version(client)}).status_code == 200
    assert set(on_disk(served)["cameras"]) == {"door", "bedroom"}


def test_a_limited_token_sees_its_part_of_the_rules_and_changes_nothing(serve: Serve) -> None:
    served = serve(
        cameras=CONFIG["cameras"] | {"door": {"url": "rtsp://10.0.0.5/1", "events": ["red"]}},
    )
    client = served.client(DOOR)
    answer = client.get("rules")
    assert [(rule["name"], rule["cameras"]) for rule in answer.json()["rules"]] == [("red", ["door"])]
    for hidden in ("undressing", "bedroom", "uploads"):
        assert hidden not in answer.text
    assert client.get("rules/undressing").status_code == 404
    match = {"if-match": answer.json()["version"]}
    for method, path in (
        ("PUT", "rules/red"),
        ("DELETE", "rules/red"),
        ("DELETE", "rules/undressing"),
        ("PUT", "cameras/door"),
        ("DELETE", "cameras/bedroom"),
        ("POST", "rules/read"),
        ("GET", "cameras/door/config"),
    ):
        refused = client.request(method, path, json=RED if method != "GET" else None, headers=match)
        assert (refused.status_code, refused.json()["error"]) == (403, "cameras_limited"), path
    assert served.client(FILES).put("rules/red", json=RED, headers=match).json()["error"] == "permission_missing"
    assert on_disk(served)["events"] == CONFIG["events"]


def test_a_file_that_was_spoilt_by_hand_is_reported_with_lines(serve: Serve) -> None:
    served = serve()
    file = served.folder / "config.yaml"
    file.write_text(file.read_text().replace("describe", "descibe", 1))
    answer = served.client().get("rules")
    assert (answer.status_code, answer.json()["error"]) == (422, "configuration_invalid")
    assert answer.json()["problems"][0]["line"] > 1
