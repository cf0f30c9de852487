"""Rules over time as people write them: read, said in words, and refused with what was expected where."""

import re
from pathlib import Path
from typing import Any

import pytest

from alignment.temporal.expressions import Absent, All, Any as Either, Count, Lasting, Ref, Then, ThenNot, While  # isort: skip
from alignment.temporal.wording import in_words
from daemon.config import ConfigError
from daemon.config.loader import config_from
from daemon.config.over_time import rules_of_cameras, rules_of_files
from daemon.config.when import parse_when

A, B, GA, YB = Ref(None, "a"), Ref(None, "b"), Ref("gate", "a"), Ref("yard", "b")
CAMERAS: dict[str, Any] = {"gate": {"url": "rtsp://h/1"}, "yard": {"url": "rtsp://h/2", "events": ["b"]}}
EVENTS: dict[str, Any] = {"a": {"describe": "a cat"}, "b": {"describe": "a dog"}}


@pytest.mark.parametrize(
    ("text", "expression", "words", "chinese"),
    [
        ("a then b within 60s", Then(A, B, 60), "a, then b that begins at most 1 min after it has ended",
         "a，随后最迟在其结束后 1 分钟内开始 b"),
        ("a then no b for 90 s", ThenNot(A, (B,), 90), "a, then no b until 90 s after it has ended",
         "a，随后直到其结束后 90 秒都没有 b"),
        ("a then no (gate.a or yard.b) for 1h", ThenNot(A, (GA, YB), 3600),
         "a, then no (a on gate or b on yard) until 1 h after it has ended",
         "a，随后直到其结束后 1 小时都没有 (gate 的 a 或 yard 的 b)"),
        ("gate.a while yard.b", While(GA, YB),
         "a on gate, if during it there is b on yard", "gate 的 a，且期间有 yard 的 b"),
        ("a and b", All((A, B)), "a and b at the same time", "a 与 b 同时出现"),
        ("a or b", Either((A, B)), "a or b", "a 或 b"),
        ("a for at least 5 minutes", Lasting(A, 300), "a that lasts at least 5 min", "持续至少 5 分钟的 a"),
        ("count a at least 3 per 2d", Count(A, 3, 172_800), "a, at least 3 times within 2 d", "2 天内至少 3 次 a"),
        ("count (a or b) >= 3 per 10m", Count(Either((A, B)), 3, 600), "(a or b), at least 3 times within 10 min",
         "10 分钟内至少 3 次 (a 或 b)"),
        ("no a for 8h", Absent((A,), 28_800), "no a for 8 h or longer, as far as the camera is watched",
         "至少 8 小时没有 a（只计摄像头有画面的时间）"),
        ("a then b within 5s then no a for 1m", ThenNot(Then(A, B, 5), (A,), 60),
         "a, then b that begins at most 5 s after it has ended, then no a until 1 min after it has ended",
         "a，随后最迟在其结束后 5 秒内开始 b，随后直到其结束后 1 分钟都没有 a"),
        ("a then b for at least 20s within 1m", Then(A, Lasting(B, 20), 60),
         "a, then (b that lasts at least 20 s) that begins at most 1 min after it has ended",
         "a，随后最迟在其结束后 1 分钟内开始 (持续至少 20 秒的 b)"),
        ("(a and b) or a", Either((All((A, B)), A)), "(a and b at the same time) or a", "(a 与 b 同时出现) 或 a"),
    ],
)  # fmt: skip
def test_what_is_written_is_read_and_said(text: str, expression: object, words: str, chinese: str) -> None:
    read = parse_when(text).expression
    assert read == expression
    assert (in_words(read), in_words(read, "zh")) == (words, chinese)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a then", 'after "a then" is expected an event or CAMERA.EVENT'),
        ("a then b", 'after "a then b" is expected `within` and a time or `for` and a time'),
        ("a then b within 5 apples", 'after "a then b within" is expected a time like 60s or 5 minutes, not "5"'),
        ("a and b or a", '"or" after "a and b" needs brackets: put what belongs together in ( )'),
        ("a or b then a within 5s", '"then" after "a or b" needs brackets: put what belongs together in ( )'),
        ("then a", 'at the beginning is expected an event or CAMERA.EVENT, not "then"'),
        ("count a per 1h", 'after "count a" is expected `at least`, not "per"'),
        ("(a", 'after "(a" is expected a closing bracket'),
        ("a)", "nothing can follow 'a'"),
        ("no (a and b) for 5m", 'after "no (a" is expected `or` or a closing bracket, not "and"'),
        ("a.b.c then a within 4s", 'at the beginning is expected an event or CAMERA.EVENT, not "a.b.c"'),
        ("count a at least 1 per 5m", "`count` needs a number from 2 to 1000, not 1"),
        ("no a for 8d", "8d is not a time that a rule can look at: it must be above 0, and at most 7 days"),
        ("no a for 0s", "0s is not a time that a rule can look at: it must be above 0, and at most 7 days"),
        (" and ".join(["a", "b"] * 16), "a rule names at most 30 events"),
        ("(" * 11 + "a" + ")" * 11, "a rule has at most 1000 characters, and 10 brackets in each other"),
        ("", 'not a rule over time; write one like "person then dog within 60s"'),
        (["a"], 'not a rule over time; write one like "person then dog within 60s"'),
    ],
)
def test_what_cannot_be_read_is_said_where(text: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_when(text)


def problems(tmp_path: Path, cameras: Any = CAMERAS, **rules: Any) -> list[tuple[str, str, str]]:
    events = EVENTS | {name: {"when": rule} if isinstance(rule, str) else rule for name, rule in rules.items()}
    with pytest.raises(ConfigError) as error:
        config_from({"cameras": cameras, "events": events}, tmp_path)
    return [(p.key, p.message, p.hint) for p in error.value.problems]


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        cameras=CAMERAS | {"hall": {"url": "rtsp://h/3", "events": ["b", "x"]}},
        x="a then bb within 5s",
        y="gaet.a then b within 5s",
        z="yard.a or yard.b",
        v="x or a",
        w={"when": "a or b", "describe": "a bird"},
    )
    own = "an event with `when` is made of other events: it may have enabled, priority and alert besides"
    added = "add it to the `events` of that camera (and the zone, if it has one), or name another one"
    removed = "remove it here: its `when` names the cameras"
    assert sorted(found) == [
        ("cameras.hall.events[1]", '"x" is made of other events, and not looked for by itself', removed),
        ("events.v.when", '"x" is made of other events itself', "name the events that it is made of"),
        ("events.w.describe", "unknown key", own),
        ("events.x.when", 'no event is called "bb"', 'did you mean "b"?'),
        ("events.y.when", 'no camera is called "gaet"', 'did you mean "gate"?'),
        ("events.z.when", '"a" is not looked for on camera "yard"', added),
    ]


def test_events_that_no_camera_has_together_are_refused(tmp_path: Path) -> None:
    cameras = {"gate": CAMERAS["gate"] | {"events": ["a"]}, "yard": CAMERAS["yard"]}
    ((key, message, hint),) = problems(tmp_path, cameras, x="a then b within 5s")
    assert (key, message) == ("events.x.when", "no camera looks for a and b together")
    assert "write CAMERA.EVENT" in hint


def test_times_of_a_file_are_not_compared_with_those_of_a_camera(tmp_path: Path) -> None:
    cameras = CAMERAS | {"film": {"url": "film.mp4"}}
    ((key, message, _),) = problems(tmp_path, cameras, x="gate.a then film.b within 5s")
    assert (key, message.partition(":")[0]) == ("events.x.when", 'camera "film" is a file')


def test_a_rule_belongs_to_each_camera_that_has_its_events_or_to_the_first_it_names(tmp_path: Path) -> None:
    rules = {
        "x": "a then b within 5s",
        "y": "yard.b then gate.a within 5s",
        "z": "b while gate.a",
        "off": "no a for 5m",
    }
    events: dict[str, Any] = EVENTS | {name: {"when": rule} for name, rule in rules.items()}
    events["off"]["enabled"] = False
    config = config_from({"cameras": CAMERAS, "events": events}, tmp_path)
    found = {(rule.name, rule.camera, rule.cameras) for rule in rules_of_cameras(config)}
    assert found == {
        ("x", "gate", ("gate",)),
        ("y", "yard", ("yard", "gate")),
        ("z", "gate", ("gate",)),
        ("z", "yard", ("yard", "gate")),
    }
    assert [(rule.name, rule.camera) for rule in rules_of_files(config, "uploads")] == [("x", "uploads")]
    assert [spec.name for spec in config.event_specs("gate")] == ["a", "b"]


def test_a_rule_of_an_event_that_is_switched_off_is_doubted(tmp_path: Path) -> None:
    events = {"a": {"describe": "a cat", "enabled": False}, "b": {"describe": "a dog"}, "x": {"when": "a or b"}}
    config = config_from({"cameras": {"gate": {"url": "rtsp://h/1"}}, "events": events}, tmp_path)
    assert [doubt.key for doubt in config.warnings] == ["events.x.when"]
    assert rules_of_cameras(config) == ()
