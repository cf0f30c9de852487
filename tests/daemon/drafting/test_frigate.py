"""What is taken over from a configuration of Frigate."""

from pathlib import Path

import pytest

from daemon.drafting.draft import CameraDraft, Draft, EventDraft
from daemon.drafting.frigate import FrigateInvalid, read_frigate
from daemon.drafting.validation import config_of, unset_variables, valid_cameras

FRIGATE = """\
mqtt: {host: mqtt, password: "{FRIGATE_MQTT_PASSWORD}"}
go2rtc:
  streams:
    garden_sub: ["ffmpeg:rtsp://viewer:${FRIGATE_RTSP_PASSWORD}@10.0.0.7/sub#video=copy"]
    odd: ["exec:ffmpeg -i x"]
audio: {enabled: true, listen: [bark, fire_alarm, "no such sound"]}
x-defaults: &defaults {roles: [detect, audio]}
cameras:
  front-door:
    ffmpeg:
      inputs:
        - {path: "rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@10.0.0.5/main", roles: [record]}
        - {path: "rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@10.0.0.5/sub", <<: *defaults}
    zones:
      porch: {coordinates: "0.1,0.2,0.3,0.4,0.5,0.9"}
      street: {coordinates: "0,0,1,0,1,0.1"}
    review: {alerts: {required_zones: [porch]}}
    motion: {mask: ["0,0,0.1,0,0.1,0.1"]}
  garden:
    audio: {enabled: false}
    objects: {track: [cat, umbrella, person]}
    ffmpeg: {inputs: [{path: "rtsp://127.0.0.1:8554/garden_sub", roles: detect}]}
  uploads: {ffmpeg: {inputs: [{path: "rtsp://127.0.0.1:8554/odd", roles: [detect]}]}, objects: {track: []}}
  attic: {enabled: false, ffmpeg: {inputs: [{path: "rtsp://10.0.0.9/1", roles: [detect]}]}}
  flv: {ffmpeg: {inputs: [{path: "rtmp://10.0.0.9/1", roles: [detect]}]}}
  "Größe 2": {ffmpeg: {inputs: [{path: /dev/video0}]}}
  empty: {ffmpeg: }
"""


PORCH = (("porch", ((0.1, 0.2), (0.3, 0.4), (0.5, 0.9))),)


@pytest.mark.parametrize(
    ("zone", "detect", "area"),
    [
        ('"0.1,0.2,0.3,0.4,0.5,0.9"', "{}", PORCH[0][1]),
        ('"128,144,384,288,640,648"', "{width: 1280, height: 720}", PORCH[0][1]),
        ('["128,144", "384,288", "640,648"]', "{width: 1280, height: 720}", PORCH[0][1]),
        ('"128,144,384,288,640,648"', "{}", None),
        ("[a, b]", "{}", None),
    ],
)
def test_zones_are_shares_of_the_frame(tmp_path: Path, zone: str, detect: str, area: object) -> None:
    camera = f"ffmpeg: {{inputs: [{{path: 'rtsp://h/1'}}]}}, zones: {{porch: {{coordinates: {zone}}}}}"
    review = "review: {alerts: {required_zones: porch}}"
    draft = read(tmp_path, f"detect: {detect}\ncameras: {{a: {{{camera}, {review}}}}}\n")
    assert draft.cameras[0].zones == ((("porch", area),) if area else ())


def test_earlier_versions_of_frigate_are_read(tmp_path: Path) -> None:
    text = """
record: {events: {required_zones: [porch]}}
go2rtc: {streams: {gate: ["ffmpeg:http://h/flv?stream=sub.bcs&user={RTSP_USER}&password={RTSP_PASS}#video=copy"]}}
cameras:
  a:
    ffmpeg: {inputs: [{path: "rtsp://127.0.0.1:8554/gate?video=copy", roles: [detect, rtmp]}]}
    width: 1280
    height: 720
    zones: {porch: {coordinates: "128,144,384,288,640,648", objects: [person]}}
"""
    draft = valid_cameras(read(tmp_path, text), tmp_path / "config.yaml")
    (camera,) = draft.cameras
    assert camera.url == "http://h/flv?stream=sub.bcs&user={RTSP_USER}&password={RTSP_PASS}"
    assert (camera.zones, camera.in_zones, camera.events) == (PORCH, ("person",), ("person",))


def read(folder: Path, text: str) -> Draft:
    (folder / "frigate.yml").write_text(text, encoding="utf-8")
    return read_frigate(folder / "frigate.yml")


def test_streams_objects_and_sounds_are_taken_over(tmp_path: Path) -> None:
    draft = valid_cameras(read(tmp_path, FRIGATE), tmp_path / "config.yaml")
    sounds = ("bark_sound", "fire_alarm_sound")
    assert draft.cameras == (
        CameraDraft(
            "front-door",
            "rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@10.0.0.5/sub",
            ("person", *sounds),
            (),
            PORCH,
            ("person",),
        ),
        CameraDraft(
            "garden",
            "rtsp://viewer:${FRIGATE_RTSP_PASSWORD}@10.0.0.7/sub",
            ("cat", "umbrella", "person"),
            ("passed on by Frigate's go2rtc as rtsp://127.0.0.1:8554/garden_sub",),
        ),
        CameraDraft("uploads_camera", "rtsp://127.0.0.1:8554/odd", sounds),
        CameraDraft("Gr_e_2", "/dev/video0", ("person", *sounds)),
    )
    assert set(draft.events) == {
        EventDraft("person", "a person"),
        EventDraft("cat", "a cat"),
        EventDraft("umbrella", "an umbrella"),
        EventDraft("bark_sound", "bark", ("sound",)),
        EventDraft("fire_alarm_sound", "fire alarm", ("sound",)),
    }
    notes = "\n".join(draft.notes)
    for text in (
        "front-door: zone street",
        "front-door: masks",
        "attic: it is disabled",
        "flv: rtmp://",
        "empty: it has no",
    ):
        assert text in notes
    assert "the sound 'no such sound'" in notes
    config = config_of(draft, tmp_path / "config.yaml", {})
    assert config.cameras["garden"].event_names(tuple(config.events)) == ("cat", "umbrella", "person")
    (zone,) = config.event_specs("front-door")[0].zones
    assert (zone.name, zone.area) == PORCH[0]
    assert config.warnings == ()
    assert list(unset_variables(draft, {})) == ["FRIGATE_RTSP_PASSWORD"]
    assert list(unset_variables(draft, {"FRIGATE_RTSP_PASSWORD": "x"})) == []


def test_a_zone_that_is_none_costs_only_itself(tmp_path: Path) -> None:
    camera = "ffmpeg: {inputs: [{path: 'rtsp://h/1'}]}, zones: {porch: {coordinates: '0.1,0.2,0.3,0.4'}}"
    text = f"cameras: {{a: {{{camera}, review: {{alerts: {{required_zones: [porch]}}}}}}}}"
    draft = valid_cameras(read(tmp_path, text), tmp_path / "config.yaml")
    assert [(camera.name, camera.zones) for camera in draft.cameras] == [("a", ())]
    assert "3 to 100 corners" in draft.notes[0]


def test_cameras_that_track_the_same_need_no_list(tmp_path: Path) -> None:
    camera = "{ffmpeg: {inputs: [{path: 'rtsp://10.0.0.%d/1', roles: [detect]}]}}"
    draft = read(tmp_path, f"objects: {{track: [person, dog]}}\ncameras: {{a: {camera % 1}, b: {camera % 2}}}\n")
    assert [camera.events for camera in draft.cameras] == [None, None]
    assert [event.name for event in draft.events] == ["person", "dog"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "not YAML"),
        ("mqtt:\n  password: *geheim\n", r"\(line 2\) — give the file"),
        ("mqtt:\n  password: !geheim x\n", r"\(line 2\) — give the file"),
        ("- a", "no `cameras:`"),
        ("cameras: [a]", "no `cameras:`"),
        ("cameras: {a: {enabled: false}}", "a: it is disabled"),
        ("cameras: {a: {ffmpeg: {inputs: [{roles: [detect]}]}}}", "no input with a path"),
    ],
)
def test_what_is_no_configuration_of_frigate_is_said(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(FrigateInvalid, match=why) as told:
        read(tmp_path, text)
    assert "geheim" not in str(told.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FrigateInvalid, match="No such file"):
        read_frigate(tmp_path / "frigate.yml")
