"""A part of a file for a browser: ``main`` of this module, as a process of its own, which alone decodes it.

``python -m workers.sources.clips.excerpt IN START END OUT.mp4`` writes a clip, stream seconds; with an ``OUT.jpg`` the
frame at START. A last argument ``blurred`` hides faces. It exits with 0 when the output is complete.
"""

import os
import sys
from pathlib import Path

from alignment.errors import WatchwordError
from alignment.file_io import replacing
from workers.redaction import RedactedUrl
from workers.rlimits import confine
from workers.sources.clips.from_file import record_file
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.url import parse_target
from workers.types import CameraSpec, MediaLimits

NICENESS = 5
BLURRED = "blurred"


def excerpt(source: Path, start: float, end: float, target: Path, blur_faces: bool) -> None:
    """Write a part of a file to ``target``; raise a ``SourceError`` or ``OSError``."""
    camera = CameraSpec("excerpt", RedactedUrl(str(source)), blur_faces=blur_faces)
    recording = record_file(camera, parse_target(camera.url), start, end)
    if target.suffix == ".jpg":
        content = make_picture(recording, start, camera, live=False)
    else:
        content = make_clip(recording, start, camera, live=False).content
    with replacing(target, private=True) as part:
        part.write_bytes(content)


def main() -> None:
    """Write what the command line names."""
    source, start, end, target, *more = sys.argv[1:]
    confine(MediaLimits().memory_mib)
    os.nice(NICENESS)
    try:
        excerpt(Path(source).resolve(), float(start), float(end), Path(target).resolve(), more == [BLURRED])
    except (WatchwordError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
