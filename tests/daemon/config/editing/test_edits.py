"""Edits of YAML texts: what they say afterwards, and that every line which they do not concern is left alone."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import ConfigError
from daemon.config.editing.edits import Put, Remove, edited, written_data

ROOT = Path(__file__).parents[4]
FILES = [*sorted((ROOT / "deploy" / "examples").glob("*.yaml")), ROOT / "daemon" / "sample" / "sample.yaml"]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}
PATH = Path("config.yaml")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
WORDS = [
    "no",
    "22:00-07:00",
    "1_000",
    "0o17",
    "a: b",
    "# c",
    "{X}",
    "*a",
    "",
    " x",
    "狗",
    "l\nm",
    "<<",
    "=",
    "- a",
    "~",
]
TEXT = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
KEYS = st.sampled_from(["describe", "unlike", "url", "no", "a b", "fps"])
VALUES = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def _edit(text: str, *edits: Put | Remove) -> str:
    return edited(dedent(text), edits, PATH)


def _region(text: str, section: str, name: str) -> tuple[list[str], list[str]]:
    """Return the lines before an entry of a section, and those behind it, by their indentation alone."""
    lines = text.splitlines()
    first = next(i for i in range(lines.index(f"{section}:"), len(lines)) if lines[i].startswith(f"  {name}:"))
    last = first + 1
    while last < len(lines) and lines[last].startswith("   "):
        last += 1
    return lines[:first], lines[last:]


@settings(max_examples=25, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(TEXTS)), value=VALUES)
def test_an_edit_of_an_entry_changes_its_lines_only(data: st.DataObject, name: str, value: Any) -> None:
    text = TEXTS[name]
    written = written_data(text, PATH)
    section = data.draw(st.sampled_from([s for s in ("cameras", "events") if s in written]))
    entry = data.draw(st.sampled_from(sorted(written[section])))
    wanted = written[section][entry] | {data.draw(KEYS): value}
    before, after = _region(text, section, entry)
    changed = edited(text, [Put((section, entry), wanted)], PATH)
    expected = {**written, section: {**written[section], entry: wanted}}
    assert written_data(changed, PATH) == expected
    lines = changed.splitlines()
    assert lines[: len(before)] == before
    assert lines[len(lines) - len(after) :] == after
    back = written_data(edited(changed, [Put((section, entry), written[section][entry])], PATH), PATH)
    assert back == written


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(TEXTS)), section=st.sampled_from(["cameras", "events", "limits"]), value=VALUES)
def test_a_new_entry_leaves_every_line_as_it_is(name: str, section: str, value: Any) -> None:
    text = TEXTS[name]
    written = written_data(text, PATH)
    old = written.get(section, {})
    changed = edited(text, [Put((section, "new one"), value)], PATH)
    assert written_data(changed, PATH) == {**written, section: {**old, "new one": value}}
    if section != "limits" or section not in written:  # where it is written in one line
        rest = iter(changed.splitlines())
        assert all(line in rest for line in text.splitlines())  # all of them, in their order
    without = edited(changed, [Remove((section, "new one"))], PATH)
    assert written_data(without, PATH) == {**written, section: old}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_an_entry_that_is_removed_leaves_the_others_and_the_comments_around_it(name: str) -> None:
    text = TEXTS[name]
    for entry in list(written_data(text, PATH)["events"])[1:]:
        before, after = _region(text, "events", entry)
        assert edited(text, [Remove(("events", entry))], PATH).splitlines() == before + after


COMMENTED = """\
    # The yard.
    cameras:   # all of them
      yard:
        url: rtsp://viewer:{PASSWORD}@10.0.0.5/s   # of the hallway's switch
        fps:   0.50
        # masks follow
        masks:
          - [[0, 0], [1, 0], [0, 1]]   # the gate
          # the neighbour's
          - [[0.5, 0], [1, 0], [1, 1]]
        # blur_faces: true

    events:
      # Seen.
      cat:   { describe: 'a cat',   threshold: 0.60 }   # ours

      # Never.
      no: {describe: "a dog"}
"""


def test_what_stays_in_a_changed_entry_keeps_its_text_and_comments() -> None:
    yard = {
        "url": "rtsp://viewer:{PASSWORD}@10.0.0.5/s",
        "fps": 0.5,
        "masks": [[[0, 0], [1, 0], [0, 1]], [[0.5, 0], [1, 0], [0.9, 1]]],
        "audio": False,
    }
    changed = _edit(COMMENTED, Put(("cameras", "yard"), yard), Put(("events", "cat", "threshold"), 0.7))
    expected = dedent(COMMENTED).replace("[[0.5, 0], [1, 0], [1, 1]]", "[[0.5, 0], [1, 0], [0.9, 1]]")
    expected = expected.replace(
        "  { describe: 'a cat',   threshold: 0.60 }   #", "{describe: 'a cat', threshold: 0.7}          #"
    )
    expected = expected.replace("    # blur_faces: true\n", "    # blur_faces: true\n    audio: false\n")
    assert changed == expected


def test_comments_inside_a_removed_entry_go_with_it_and_those_above_it_stay() -> None:
    changed = _edit(COMMENTED, Put(("cameras", "a"), {"url": "a.mp4"}), Remove(("cameras", "yard")))
    assert changed.startswith("# The yard.\ncameras:   # all of them\n  a:\n    url: a.mp4\n\nevents:\n  # Seen.\n")


def test_the_last_entry_of_a_section_leaves_an_empty_mapping() -> None:
    text = _edit("events: {a: {describe: x}}\ncameras:\n  b:\n    url: x\n", Remove(("cameras", "b")))
    assert written_data(text, PATH) == {"events": {"a": {"describe": "x"}}, "cameras": {}}
    assert _edit(text, Put(("cameras", "c"), {"url": "y"})).endswith("cameras:\n  c:\n    url: y\n")


@pytest.mark.parametrize(
    "text",
    [
        '{"events": {"a": {"describe": "x"}}, "cameras": {"b": {"url": "u"}}}',  # JSON
        "cameras: {b: {url: u}}\nevents:\n    a: {describe: x}",  # four columns, no line break at the end
        "---\ncameras: {b: {url: u}}\nevents: {a:\n  {describe:\nx}}\n",
        "cameras: {b: {url: u}}\r\nevents:\r\n  a:\r\n    describe: >-\r\n      x\r\n\r\n# end\r\n",
    ],
)
def test_other_styles_of_yaml_are_edited_too(text: str) -> None:
    changed = edited(text, [Put(("events", "a", "describe"), "y"), Put(("events", "c"), {"describe": "z"})], PATH)
    expected = {"cameras": {"b": {"url": "u"}}, "events": {"a": {"describe": "y"}, "c": {"describe": "z"}}}
    assert written_data(changed, PATH) == expected
    assert ("\r\n" in text) == ("\r\n" in changed)
    assert changed.count("\r\n") in (0, changed.count("\n"))


def test_a_form_that_cannot_be_edited_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match="by hand") as caught:
        _edit("events: {a: {describe: x}}\n? cameras\n: b: {url: u}\n", Put(("cameras", "c"), {"url": "v"}))
    assert caught.value.problems[0].line == 2


ANCHORED = """\
    events:
      a: &rule {describe: x, threshold: 0.5}
      b: *rule
      c: {<<: *rule, describe: z}
      d: {describe: "q"}
"""


@pytest.mark.parametrize(
    "edit", [Put(("events", "a", "threshold"), 1), Put(("events", "b", "threshold"), 1), Remove(("events", "a"))]
)
def test_what_other_entries_share_is_not_changed_behind_their_back(edit: Put | Remove) -> None:
    with pytest.raises(ConfigError, match="anchors") as caught:
        _edit(ANCHORED, edit)
    assert caught.value.problems[0].line > 0


def test_entries_beside_anchors_are_edited() -> None:
    changed = _edit(ANCHORED, Put(("events", "d", "describe"), "w"), Remove(("events", "b")))
    expected = dedent(ANCHORED).replace("  b: *rule\n", "").replace('d: {describe: "q"}', 'd: {describe: "w"}')
    assert changed == expected


def test_nothing_changes_where_a_value_is_what_it_was() -> None:
    text = dedent(COMMENTED)
    assert edited(text, [Put(("events", "cat"), {"threshold": 0.6, "describe": "a cat"})], PATH) == text


def test_removing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"events\.dog: there is no such entry"):
        _edit(COMMENTED, Remove(("events", "dog")))
