"""A draft becomes a file that says the same."""

from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import ConfigError
from daemon.drafting.draft import CameraDraft, Draft, EventDraft
from daemon.drafting.template import render
from daemon.drafting.validation import config_of

PLAIN = Draft((CameraDraft("door", "rtsp://10.0.0.5/1"),), (EventDraft("dog", "a dog"),))
TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@given(TEXT, TEXT, st.lists(TEXT))
def test_no_text_changes_what_the_file_says(describe: str, url: str, notes: list[str]) -> None:
    comments = tuple(notes)
    cameras = (CameraDraft("door", url, ("dog",), comments),)
    draft = Draft(cameras, (EventDraft("dog", describe),), redis=url, notes=comments)
    assert yaml.safe_load(render(draft, "config.yaml")) == {
        "cameras": {"door": {"url": url, "events": ["dog"]}},
        "events": {"dog": {"describe": describe, "max_false_alerts": "1/day"}},
        "redis": {"url": url},
        "models": {"profile": "lite"},
    }


@given(TEXT)
def test_a_description_is_valid_or_a_mistake_that_is_told(describe: str) -> None:
    draft = Draft(PLAIN.cameras, (EventDraft("dog", describe, ("sound",)),), max_false_alerts=None)
    with suppress(ConfigError):  # which the user is told
        (spec,) = config_of(draft, Path("config.yaml")).event_specs()
        assert (spec.describe, spec.modalities) == ((describe.strip(),), ("sound",))


def test_what_is_commented_out_is_valid_too() -> None:
    text = render(PLAIN, "config.yaml")
    names = ("fps:", "masks:", "unlike:", "min_duration:", "uploads:", "retention:", "http:")
    hidden = [line for line in text.splitlines() if line.strip().startswith(tuple(f"# {name}" for name in names))]
    assert len(hidden) == len(names)
    told = "\n".join(line.replace("# ", "", 1) if line in hidden else line for line in text.splitlines())
    assert yaml.safe_load(told).keys() == {*yaml.safe_load(text), "uploads", "retention", "http"}
    from daemon.config.loader import config_of_text

    assert config_of_text(told, Path("config.yaml"))
