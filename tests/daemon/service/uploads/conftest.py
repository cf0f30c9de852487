"""A folder of uploads whose streams a test ends."""

from pathlib import Path

import pytest

from tests.support.uploads import Inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)
