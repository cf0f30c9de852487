"""A stream to send, and the collection of damaged media, where there is one."""

from pathlib import Path

import pytest

from tests.support.streams.live import X264
from tests.support.videos.media import every, make_video


@pytest.fixture(scope="session")
def bad_media() -> Path:
    folder = Path(__file__).parents[4] / "shared" / "bad_media"
    if not folder.is_dir():
        pytest.skip("the collection of damaged media is not here")
    return folder


@pytest.fixture(scope="package")
def stream_ts(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten seconds of transport stream with a tone."""
    path = tmp_path_factory.mktemp("live") / "stream.ts"
    return make_video(path, every(40, 250), options=X264, gop=25, audio=(0.0, 10.0, 440.0)).read_bytes()
