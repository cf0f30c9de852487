"""What a right configuration becomes."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from alignment.types import Span, SpanChange
from daemon.config import Config, config_hash, json_schema, load_config
from workers.events.writer import EventWriter
from workers.models.options import EncoderOptions
from workers.types import CameraSpec, EventSpec, ModelInfo

Load = Callable[..., Config]

EXAMPLE = """\
redis: {url: embedded, stream: "watchword:events", maxlen: 100000}
models: {profile: lite}
cameras:
  front_door:
    url: "rtsp://viewer:{WATCHWORD_DOOR_PASSWORD}@10.0.0.5/stream1"
    fps: 1
    audio: true
    events: [cat, help]
uploads: {folder: ./inbox, done: ./done}
events:
  cat:
    describe: ["a cat", "a kitten walking"]
    unlike: ["an empty room"]
    modalities: [vision]
    max_false_alerts: 1/day
    min_duration: 2s
    merge_gap: 3s
    priority: 5
  help: {describe: "someone shouts for help", modalities: [speech]}
"""
SECRET = "p@ss/w:rd%1"


@pytest.fixture
def example(load: Load) -> Config:
    return load(EXAMPLE, WATCHWORD_DOOR_PASSWORD=SECRET)


def test_the_example_becomes_specs(example: Config, tmp_path: Path) -> None:
    (camera,) = example.camera_specs()
    assert isinstance(camera, CameraSpec)
    assert (camera.name, camera.fps, camera.audio, camera.events) == ("front_door", 1.0, True, ("cat", "help"))
    assert camera.url.reveal() == "rtsp://viewer:p%40ss%2Fw%3Ard%251@10.0.0.5/stream1"
    cat, hlp = example.event_specs("front_door")
    assert cat == EventSpec(
        name="cat",
        describe=("a cat", "a kitten walking"),
        unlike=("an empty room",),
        modalities=("vision",),
        max_false_alerts_per_hour=1 / 24,
        min_duration_s=2.0,
        merge_gap_s=3.0,
        priority=5,
    )
    assert hlp == EventSpec(name="help", describe=("someone shouts for help",), modalities=("speech",))
    assert example.uploads is not None
    assert example.uploads.folder == tmp_path / "inbox"
    assert example.state_dir == tmp_path / ".watchword"
    assert example.models.encoder_options() == EncoderOptions()
    assert example.warnings == ()


def test_nothing_that_is_printed_shows_a_secret(load: Load) -> None:
    config = load(
        EXAMPLE.replace("embedded", '"rediss://u:{REDIS_PW}@r:6379/0"') + 'http: {token: "{TOKEN}"}\n',
        WATCHWORD_DOOR_PASSWORD=SECRET,
        REDIS_PW="red1s-pw",
        TOKEN="t0ken-t0ken-t0ken",
    )
    shown = repr(config) + str(config) + config.model_dump_json() + repr(config.model_dump())
    shown += repr(config.camera_specs())
    for secret in (SECRET, "p%40ss", "red1s-pw", "t0ken"):
        assert secret not in shown
    assert {SECRET, "red1s-pw", "t0ken-t0ken-t0ken"} <= config.secrets()


def test_ordinary_words_of_a_url_stay_readable_in_logs(load: Load) -> None:
    config = load("""\
    cameras: {a: {url: "http://u:pw1@h/x?transport=tcp&pwd=abc&sid=0123456789"}}
    events: {cat: {describe: a cat}}
    """)
    assert {"pw1", "abc", "0123456789"} <= config.secrets()
    assert "tcp" not in config.secrets()


def test_a_camera_overrides_every_value_of_an_event(load: Load) -> None:
    config = load("""\
    cameras:
      a:
        url: a.mp4
        events:
          cat: {describe: a tabby, threshold: 0.7, min_duration: 500ms, modalities: [vision, sound], unlike: a dog,
                merge_gap: 9, priority: 9}
          dog:
      b: {url: b.mp4}
    events:
      cat: {describe: a cat, max_false_alerts: 1/day, merge_gap: 1h}
      dog: {describe: a dog, threshold: 0.5}
      cow: {describe: a cow}
    """)
    cat, dog = config.event_specs("a")
    assert cat == EventSpec("cat", ("a tabby",), ("a dog",), ("vision", "sound"), 0.7, None, 0.5, 9.0, 9)
    assert dog == EventSpec("dog", ("a dog",), threshold=0.5)
    assert [e.name for e in config.event_specs("b")] == ["cat", "dog", "cow"]
    assert config.event_specs("b") == config.event_specs()
    assert config.event_specs()[0].max_false_alerts_per_hour == pytest.approx(1 / 24)


def test_a_budget_replaces_a_threshold(load: Load) -> None:
    config = load("""\
    cameras: {a: {url: a.mp4, events: {cat: {max_false_alerts: 1/h}}}}
    events: {cat: {describe: a cat, threshold: 0.5}}
    """)
    (cat,) = config.event_specs("a")
    assert (cat.threshold, cat.max_false_alerts_per_hour) == (None, 1.0)


def test_paths_start_at_the_file_and_not_where_the_program_was_started(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    config = load("""\
    cameras: {a: {url: media/a.mp4}, b: {url: /dev/video0}, c: {url: "webcam://"}, d: {url: "file:///x/y.mp4"}}
    events: {cat: {describe: a cat}}
    models: {profile: open_clip, model: ./weights}
    state_dir: /var/lib/watchword
    """)
    urls = [c.url.reveal() for c in config.camera_specs()]
    assert urls == [f"{tmp_path}/media/a.mp4", "/dev/video0", "webcam://", "file:///x/y.mp4"]
    assert config.models.model == f"{tmp_path}/weights"
    assert config.state_dir == Path("/var/lib/watchword")


def test_yaml_as_people_write_it(load: Load) -> None:
    config = load("""\
    cameras:
      a: &usual {url: a.mp4, fps: "{FPS}", loop: "true"}
      b: {<<: *usual, fps: keyframes}
    events:
      no: {describe: 一只猫}
      on: {describe: "{{braces}}"}
      folded:
        describe: >
          a cat
          on a mat
    """, FPS="2")  # fmt: skip
    assert [(c.url.reveal()[-5:], c.fps, c.loop) for c in config.camera_specs()] == [
        ("a.mp4", 2.0, True),
        ("a.mp4", "keyframes", True),
    ]
    assert [(e.name, e.describe) for e in config.event_specs()] == [
        ("no", ("一只猫",)),
        ("on", ("{braces}",)),
        ("folded", ("a cat on a mat",)),
    ]


def test_an_event_that_no_camera_uses_is_a_warning(load: Load) -> None:
    text = "cameras: {a: {url: a.mp4, events: [cat]}}\nevents: {cat: {describe: a cat}, dog: {describe: a dog}}\n"
    (warning,) = load(text).warnings
    assert (warning.line, warning.key) == (2, "events.dog")
    assert load(text + "uploads: {folder: a, done: b}\n").warnings == ()


def test_the_hash_names_decisions_and_nothing_else(example: Config, load: Load) -> None:
    name = config_hash(example)
    assert len(name) == 12
    env = {"WATCHWORD_DOOR_PASSWORD": "other"}
    same = EXAMPLE.replace("10.0.0.5", "10.0.0.9").replace("maxlen: 100000", "maxlen: 5000")
    assert config_hash(load(same + "runtime: local\nhttp: {port: 1}\n", **env)) == name
    assert config_hash(load(EXAMPLE.replace("min_duration: 2s", "min_duration: 2000ms"), **env)) == name
    for old, new in [
        ("a kitten walking", "a kitten"),
        ("fps: 1", "fps: 2"),
        ("[cat, help]", "[cat]"),
        ("1/day", "2/day"),
    ]:
        assert config_hash(load(EXAMPLE.replace(old, new), **env)) != name, old
    models = ["aligner: similarity", "quantize: int8"]
    assert len({name, *(config_hash(load(EXAMPLE.replace("lite}", f"lite, {m}}}"), **env)) for m in models)}) == 3


def test_adding_a_camera_or_an_event_renames_no_event(load: Load) -> None:
    def cat_id(text: str) -> str:
        config = load(text, WATCHWORD_DOOR_PASSWORD=SECRET)
        cat = next(spec for spec in config.event_specs("front_door") if spec.name == "cat")
        model = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
        writer = EventWriter("front_door", True, 1.0, model, "lite/x@1 similarity", config_hash(config))
        span = Span("cat", 100.0, 110.0, 0.9, open=True, shares=(1.0, 0.0, 0.0), track=())
        return writer.identity(SpanChange("new", 100.0, 0, span), cat, "session/0")

    name = cat_id(EXAMPLE)
    for other in (
        EXAMPLE.replace("uploads:", "  back_door: {url: back.mp4}\nuploads:"),
        EXAMPLE + "  dog: {describe: a dog}\n",
        EXAMPLE.replace("[cat, help]", "[cat]"),
        EXAMPLE.replace("priority: 5", "priority: 9"),
        EXAMPLE.replace("someone shouts for help", "someone calls for help"),
    ):
        assert other != EXAMPLE
        assert cat_id(other) == name, other
    for other in (
        EXAMPLE.replace("a kitten walking", "a kitten"),
        EXAMPLE.replace("an empty room", "a dog"),
        EXAMPLE.replace("1/day", "2/day"),
        EXAMPLE.replace("merge_gap: 3s", "merge_gap: 4s"),
    ):
        assert cat_id(other) != name, other


def test_the_json_schema_takes_what_the_reader_takes() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    jsonschema.Draft202012Validator.check_schema(json_schema())
    data = yaml.safe_load(EXAMPLE)
    validator.validate(data)
    data["cameras"]["front_door"]["events"] = {"cat": {"threshold": 0.5}, "help": None}
    data["cameras"]["front_door"]["fps"] = "keyframes"
    validator.validate(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cameras", "front_door", "fsp"), 1),
        (("cameras", "front door"), {"url": "a"}),
        (("cameras", "front_door", "fps"), 0),
        (("events", "cat", "min_duration"), "2 parsecs"),
        (("events", "cat", "max_false_alerts"), 1),
        (("events", "cat", "describe"), []),
        (("events", "cat", "threshold"), 2),
        (("redis", "url"), "postgres://h"),
        (("modles",), {}),
    ],
)
def test_the_json_schema_refuses_what_the_reader_refuses(path: tuple[str, ...], value: object) -> None:
    data = yaml.safe_load(EXAMPLE)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(data)


def test_every_key_is_described() -> None:
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    values = [(key, value) for section in sections for key, value in section["properties"].items()]
    undescribed = [key for key, value in values if not (value.get("description") or "$ref" in value)]
    assert undescribed == []
    assert all(section.get("description") for section in sections)
    assert json.loads(json.dumps(schema)) == schema


def test_reading_needs_no_heavy_library(write: Callable[[str], Path]) -> None:
    import subprocess
    import sys

    program = "import sys, daemon.config; print(sorted({'torch', 'av', 'ray', 'redis'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_environment_is_the_default(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_DOOR_PASSWORD", "from-outside")
    assert "from-outside" in load_config(write(EXAMPLE)).camera_specs()[0].url.reveal()


def test_cameras_hide_faces_as_they_say_or_as_all_do(load: Load) -> None:
    text = "privacy: {blur_faces: true}\nevents: {cat: {describe: a cat}}\ncameras:\n"
    config = load(text + "  a: {url: a.mp4}\n  b: {url: b.mp4, blur_faces: false}\n")
    assert [c.blur_faces for c in config.camera_specs()] == [True, False]
    other = load(text.replace("true", "false") + "  a: {url: a.mp4}\n  b: {url: b.mp4, blur_faces: false}\n")
    assert config_hash(config) != config_hash(other)


def test_a_camera_looks_at_its_areas_only(load: Load) -> None:
    text = "events: {cat: {describe: a cat}}\ncameras: {a: {url: a.mp4, masks: [[[0, 0.4], [1, 0.4], [0.5, 1]]]}}\n"
    config = load(text)
    assert config.camera_specs()[0].masks == (((0.0, 0.4), (1.0, 0.4), (0.5, 1.0)),)
    assert config_hash(config) != config_hash(load(text.replace("0.4", "0.3")))
    assert load("events: {cat: {describe: a cat}}\ncameras: {a: {url: a.mp4}}\n").camera_specs()[0].masks == ()
