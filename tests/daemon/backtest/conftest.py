"""Videos of plain colours."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.streams.pipelines import write_colours


@pytest.fixture
def colour_video(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that encodes seconds of colours as H.264."""

    def make(scenes: Sequence[tuple[str, float]]) -> Path:
        return write_colours(tmp_path / "colours.mp4", scenes)

    return make
