"""The section ``alerts``: what is refused, with which words, and that no part of a target's URL is shown."""

from pathlib import Path
from typing import Any

import pytest

from daemon.config import ConfigError
from daemon.config.loader import config_from
from daemon.config.target_urls import TargetUrl
from daemon.config.units import parse_quiet

BASE: dict[str, Any] = {"events": {"cat": {"describe": "a cat"}}, "uploads": {"folder": "in", "done": "out"}}


def problems(alerts: Any, folder: Path, **sections: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as failure:
        config_from(BASE | {"alerts": alerts} | sections, folder)
    return {problem.key: f"{problem.message}; {problem.hint}" for problem in failure.value.problems}


@pytest.mark.parametrize(
    ("target", "key", "said"),
    [
        ("ntfy", "", "write for example ntfy://"),
        ("nosuch://abc", "", "apprise does not accept this nosuch:// URL"),
        ("tgram://short/1", "", "apprise does not accept this tgram:// URL"),
        ({}, ".apprise", "missing"),
        ({"webhook": "ftp://h"}, ".webhook", "write https:// or http://"),
        ({"webhook": "https://u:p#w@h"}, ".webhook", "`#` ends a URL"),
        ({"webhook": "https://h", "secret": "short"}, ".secret", "16 to 500 characters"),
        ({"webhook": "https://h", "secret": "whsec_!"}, ".secret", "not Base64"),
        ({"webhook": "https://h", "secret": "whsec_YWJj"}, ".secret", "24 to 64 bytes"),
        ({"mqtt": "mqtt://h/topic"}, ".mqtt", "set by `topic`"),
        ({"mqtt": "mqtt://h", "topic": "a/#"}, ".topic", ""),
        ({"mqtt": "mqtt://h", "discovery": "other"}, ".discovery", "home_assistant"),
        ({"webhook": "https://h", "quiet": "22-7"}, ".quiet", '"22:00-07:00"'),
        ({"webhook": "https://h", "quiet": "22:00-22:00"}, ".quiet", "same minute"),
        ({"webhook": "https://h", "events": ["dog"]}, ".events[0]", 'no event is called "dog"'),
        ({"webhook": "https://h", "cameras": "door"}, ".cameras", "cameras are uploads"),
        ({"webhook": "https://h", "cooldwon": 1}, ".cooldwon", 'did you mean "cooldown"'),
    ],
)
def test_a_target_that_cannot_work_is_refused(tmp_path: Path, target: Any, key: str, said: str) -> None:
    found = problems({"targets": {"a": target}}, tmp_path)
    assert found.keys() == {f"alerts.targets.a{key}"}
    assert said in found[f"alerts.targets.a{key}"]


def test_names_of_targets_must_exist(tmp_path: Path) -> None:
    events = {"cat": {"describe": "a cat", "alert": {"to": ["phone", "fone"]}}}
    alerts = {"targets": {"phone": {"webhook": "https://h"}}, "to": "hone", "time_zone": "Mars"}
    assert problems(alerts, tmp_path, events=events) == {
        "alerts.to": 'no target is called "hone"; did you mean "phone"?',
        "alerts.time_zone": "not a time zone; write one like Europe/Berlin or UTC; ",
        "events.cat.alert.to[1]": 'no target is called "fone"; did you mean "phone"?',
    }


def test_settings_without_a_target_are_doubted(tmp_path: Path) -> None:
    config = config_from(BASE | {"events": {"cat": {"describe": "a cat", "alert": {"cooldown": 1}}}}, tmp_path)
    assert [(doubt.key, doubt.message) for doubt in config.warnings] == [
        ("events.cat.alert", "has no effect: there is no target")
    ]


@pytest.mark.parametrize(
    ("url", "shown", "secret"),
    [
        ("tgram://123456789:abcdefgh/987654321", "tgram://***", "123456789"),
        ("ntfy://my-topic", "ntfy://***", "my-topic"),
        ("ntfys://user:pass-word@ntfy.example/my-topic", "ntfys://ntfy.example/***", "my-topic"),
        ("mailto://me:pass%40word@example.org?to=you@example.org", "mailto://example.org/***", "pass@word"),
        ("https://hub.example:8443/api/webhook/abcdefgh-1?k=v", "https://hub.example:8443/***", "abcdefgh-1"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://***", "TIiajkdnlazkcOXrIdevi7FQ"),
        ("mqtt://me:word@10.0.0.5:1883", "mqtt://10.0.0.5:1883/***", "word"),
    ],
)
def test_of_a_target_only_scheme_and_host_are_shown(url: str, shown: str, secret: str) -> None:
    target = TargetUrl(url)
    assert f"{target} {target!r}" == f"{shown} RedactedUrl({shown!r})"
    assert secret in target.secrets()
    assert not {"example.org", "ntfy.example", "api", "webhook"} & set(target.secrets())


def test_secrets_of_targets_are_registered_and_dumps_show_none(tmp_path: Path) -> None:
    targets = {
        "a": "ntfys://user:pass-word@ntfy.example/my-topic-1",
        "b": {"webhook": "https://h.example/hook-path-1", "secret": "0123456789abcdef"},
    }
    config = config_from(BASE | {"alerts": {"targets": targets}}, tmp_path)
    wanted = {"pass-word", "my-topic-1", "hook-path-1", "0123456789abcdef"}
    assert wanted <= config.secrets()
    assert not [text for text in wanted for shown in (repr(config), config.model_dump_json()) if text in shown]


def test_times_of_day() -> None:
    assert parse_quiet("22:00-07:00") == ((1320, 420),)
    assert parse_quiet(["9:00 - 10:30", "00:00-24:00"]) == ((540, 630), (0, 1440))
    assert parse_quiet([]) == ()
    for bad in ("25:00-07:00", "22-07", 7, {"a": 1}, ["x"]):
        with pytest.raises(ValueError, match="time of day"):
            parse_quiet(bad)
