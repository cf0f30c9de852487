"""Videos of plain colours."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from colour_encoder import COLOURS


@pytest.fixture
def colour_video(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that encodes seconds of colours as H.264: ``[("red", 5), ("blue", 3)]``."""

    def make(scenes: Sequence[tuple[str, float]], name: str = "colours.mp4") -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for colour, seconds in scenes:
                picture = np.full((48, 64, 3), COLOURS[colour], np.uint8)
                for _ in range(round(seconds * 10)):
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            out.mux(stream.encode(None))
        return path

    return make
