"""Pictures of files for the verifier: small, with hidden faces where that is wanted."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from daemon.runtime.media_process import run_media
from daemon.verification.pictures import scaled
from workers.errors import ClipUnavailable

SIDE = 768  # pixels of the longer side that are sent
LONGEST_S = 120.0  # to decode the pictures of one question


def stills(file: Path, times: Sequence[float], blur_faces: bool) -> list[bytes | None]:
    """Return the frames of a file at these stream seconds as JPEGs; None for what shows nothing, or is gone."""
    if not file.is_file():
        return [None] * len(times)
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        look = "blurred" if blur_faces else "plain"
        try:
            run_media("stills", str(file), folder, look, *map(repr, times), longest_s=LONGEST_S)
        except ClipUnavailable:  # audio only, or damaged
            return [None] * len(times)
        paths = [Path(folder) / f"{number}.jpg" for number in range(len(times))]
        return [scaled(path.read_bytes(), SIDE) if path.is_file() else None for path in paths]
