"""Videos of plain colours."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.streams.pipelines import write_colours


@pytest.fixture
def colour_video(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that encodes seconds of colours as H.264: ``[("red", 5), ("blue", 3)]``."""

    def make(scenes: Sequence[tuple[str, float]], name: str = "colours.mp4") -> Path:
        return write_colours(tmp_path / name, scenes)

    return make
