"""`verify` of events and cameras: what the runtime is given, and what it changes of an event's definition."""

import pytest

from daemon.commands.setup.check import rule_in_words
from daemon.config import config_hash
from daemon.config.changes import changes
from tests.daemon.config.conftest import Load, Problems
from workers.events.writer import spec_version
from workers.types import Verify

TEXT = """\
models: {verifier: {url: "http://127.0.0.1:11434/v1", model: small}}
cameras:
  front: {url: a.mp4}
  back: {url: b.mp4, events: {visitor: {verify: only_confirmed}}}
  hall: {url: c.mp4, verifier: none}
uploads: {folder: in, done: out}
events:
  visitor: {describe: a person, max_false_alerts: 2/h}
"""


def verified(verify: str) -> str:
    return TEXT.replace("a person", f"a person, verify: {verify}")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hold", Verify("hold", "alert", 4.0)),
        ("label", Verify("label", "alert", 1.0)),
        ("{policy: label, loosen: 9}", Verify("label", "alert", 1.0)),
        ("only_confirmed", Verify("only_confirmed", "suppress", 4.0)),
        ("{policy: hold, fallback: suppress, loosen: 1.5}", Verify("hold", "suppress", 1.5)),
        ("{policy: hold, describe: a man climbs}", Verify("hold", "alert", 4.0, ("a man climbs",))),
    ],
)
def test_a_policy_or_a_section_and_a_camera_may_choose_another(load: Load, written: str, meant: Verify) -> None:
    config = load(verified(written))
    (front,), (back,) = config.event_specs("front"), config.event_specs("back")
    assert front.verify == meant
    assert front.first_stage_per_hour == 2.0 * meant.loosen
    assert back.verify == Verify("only_confirmed", "suppress", 4.0)
    assert front.max_false_alerts_per_hour == back.max_false_alerts_per_hour == 2.0


def test_the_budget_that_a_verifier_allows_is_part_of_the_definition_and_the_policy_is_not(load: Load) -> None:
    def version(text: str) -> str:
        return spec_version(load(text).event_specs("front")[0])

    plain = version(TEXT)
    assert version(verified("label")) == plain
    assert version(verified("hold")) == version(verified("only_confirmed")) == version(TEXT.replace("2/h", "8/h"))
    assert version(verified("hold")) != plain
    texts = [TEXT, *map(verified, ("hold", "label", "{policy: hold, fallback: suppress}"))]
    assert len({config_hash(load(text)) for text in texts}) == 4  # a stream takes up what changes
    found = changes(load(TEXT), load(verified("hold")))
    assert (found.rules_changed, found.cameras_changed, found.needs_restart) == (("front",), (), ())


def test_without_a_verifier_nothing_is_verified_and_no_frame_is_kept(load: Load) -> None:
    config = load(verified("hold"))
    specs = {name: config.event_specs(name)[0] for name in ("front", "hall", None)}
    assert {name: (spec.verify is None, spec.keep_frames) for name, spec in specs.items()} == {
        "front": (False, True),
        "hall": (True, False),
        None: (False, True),  # uploads
    }
    assert specs["hall"].first_stage_per_hour == 2.0
    plain = TEXT.replace("verify: only_confirmed", "priority: 6")
    without = plain.replace(plain.partition("\n")[0], "")
    assert spec_version(load(plain).event_specs("front")[0]) == spec_version(load(without).event_specs("front")[0])


def test_check_names_both_budgets(load: Load) -> None:
    words = [rule_in_words(load(verified(policy)).event_specs("front")[0]) for policy in ("hold", "label")]
    assert words == [
        "vision; false alerts a day: at most 48, 192 before a verifier decides; verify: hold",
        "vision; false alerts a day: at most 48; verify: label",
    ]


def test_an_event_that_nobody_could_verify_is_a_problem(problems: Problems, load: Load) -> None:
    text = verified("hold").replace("models", "index: {}\n# ")
    assert [p.key for p in problems(text)] == ["cameras.back.events.visitor.verify", "events.visitor.verify"]
    one = text.replace("url: a.mp4", 'url: a.mp4, verifier: {url: "http://a/v1", model: m}')
    (problem,) = problems(one)
    assert (problem.key, problem.message) == ("cameras.back.events.visitor.verify", "there is no verifier")
    config = load(one.replace("verify: only_confirmed", "priority: 6"))
    assert [config.event_specs(name)[0].keep_frames for name in ("front", "back", None)] == [True, False, False]


@pytest.mark.parametrize("wrong", ["always", "{fallback: alert}", "{policy: hold, loosen: 0.5}", "[hold]"])
def test_what_is_none_is_a_problem_of_that_key(problems: Problems, wrong: str) -> None:
    (problem,) = problems(verified(wrong))
    assert problem.key.startswith("events.visitor.verify")
