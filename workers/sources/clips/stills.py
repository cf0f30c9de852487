"""Some frames of a file: ``main`` of this module, as a process of its own, which alone decodes them.

``python -m workers.sources.clips.stills IN FOLDER blurred|plain T…`` writes the frame at each stream second T to
``FOLDER/NUMBER.jpg``, from 0 on; none where the file shows nothing then. ``blurred`` hides faces.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from workers.errors import ClipUnavailable
from workers.rlimits import confine
from workers.sources.clips.excerpt import BLURRED, NICENESS, excerpt
from workers.types import MediaLimits

READ_S = 1.0  # for one frame


def main() -> None:
    """Write what the command line names."""
    source, folder, look, *times = sys.argv[1:]
    confine(MediaLimits().memory_mib)
    os.nice(NICENESS)
    for number, t in enumerate(map(float, times)):
        with suppress(ClipUnavailable):
            excerpt(Path(source).resolve(), t, t + READ_S, Path(folder) / f"{number}.jpg", look == BLURRED)


if __name__ == "__main__":
    main()
