"""What strangers write is shown by a terminal and not obeyed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.logs.escaping import printable


@pytest.mark.parametrize("text", ["a b.mp4", "一只猫\u3000二.mp4", "café\u00a0🐈.mp4", "می\u200cخواهم.mp4", "שלום.mp4"])
def test_ordinary_names_stay(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("\x1b[2Jb", "\\u001b[2Jb"),
        ("\x9b31m", "\\u009b31m"),
        ("a\nb\r", "a\\nb\\r"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_whatever_is_escaped_can_be_read_back_and_encoded(text: str) -> None:
    shown = printable(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text
    shown.encode()
    assert printable("\n" + text, keep="\n").startswith("\n")
