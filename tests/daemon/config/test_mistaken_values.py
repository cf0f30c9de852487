"""Values that are none: each is named, and the problem says what to write instead."""

from collections.abc import Callable

import pytest

from daemon.config import Config
from tests.daemon.config.test_mistakes import GOOD, Problems
from workers.types import MediaLimits


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


def test_names_are_held_to_their_letters(problems: Problems) -> None:
    (problem,) = problems('cameras: {"front door": {url: a.mp4}}\nevents: {cat: {describe: a cat}}\n')
    assert (problem.key, problem.message) == ("cameras.front door", "not a valid name")


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
