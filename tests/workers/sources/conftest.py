"""The collection of damaged media, where there is one."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bad_media() -> Path:
    folder = Path(__file__).parents[4] / "shared" / "bad_media"
    if not folder.is_dir():
        pytest.skip("the collection of damaged media is not here")
    return folder
