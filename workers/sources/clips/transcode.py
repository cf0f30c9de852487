"""Transcode a clip to H.264, for browsers that do not play H.265: ``main`` of this module, as a process of its own.

``python -m workers.sources.clips.transcode IN.mp4 OUT.mp4`` exits with 0 when ``OUT.mp4`` is complete.
"""

import os
import sys
from pathlib import Path

from alignment.errors import WatchwordError
from alignment.file_io import replacing
from workers.redaction import RedactedUrl
from workers.rlimits import confine
from workers.sources.clips.coded import open_tracks
from workers.sources.clips.encode import Look, encode
from workers.sources.clips.from_file import record_file
from workers.sources.url import parse_target
from workers.types import CameraSpec, MediaLimits

SIDE, FPS = 1280, 30.0
LONGEST_S = 3600.0
NICENESS = 10


def transcode(source: Path, target: Path) -> None:
    """Write ``source`` as H.264 to ``target``; raise a ``SourceError`` or ``OSError``."""
    url = RedactedUrl(str(source))
    recording = record_file(CameraSpec("clip", url), parse_target(url), 0.0, LONGEST_S)
    with open_tracks(recording.tracks) as tracks:
        content = encode(recording, tracks, Look(SIDE, FPS), 0.0, "")
    with replacing(target, private=True) as part:
        part.write_bytes(content)


def main() -> None:
    """Transcode what the command line names."""
    source, target = map(Path, sys.argv[1:])
    confine(MediaLimits().memory_mib)
    os.nice(NICENESS)
    try:
        transcode(source.resolve(), target.resolve())
    except (WatchwordError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
