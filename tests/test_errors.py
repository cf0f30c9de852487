"""Every error class is complete, and the page of error codes is as the classes say."""

import pickle
import re
from collections import Counter
from pathlib import Path

import pytest

from alignment.errors import ExitCode, WatchwordError
from tests.support.documents.error_table import document, error_classes, meaning

PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
CLASSES = error_classes()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda k: k.__name__)
def test_each_class_says_code_meaning_and_remedy_itself(kind: type[WatchwordError]) -> None:
    own = vars(kind)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", own["code"])
    assert meaning(kind).endswith(".")
    assert own["remedy"]
    assert isinstance(kind.exit_code, ExitCode)
    assert kind.exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED)


def test_no_two_classes_share_a_code() -> None:
    assert [code for code, n in Counter(kind.code for kind in CLASSES).items() if n > 1] == []


def test_the_page_lists_every_class_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "run `make errors`"
    assert re.findall(r"^\| `(\w+)`", PAGE.read_text(encoding="utf-8"), re.M) == [kind.code for kind in CLASSES]


def test_without_a_hint_an_error_gives_its_remedy() -> None:
    error = WatchwordError("it broke")
    assert str(error) == f"it broke — {WatchwordError.remedy}"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(WatchwordError("it broke", "mend it")) == "it broke — mend it"
