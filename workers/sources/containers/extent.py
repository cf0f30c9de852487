"""How much of a file is there, and how much it declares: a file that is shorter than it says was cut off.

Presentation counts: the last frame is decoded before it is shown. Some containers declare where time stamps end, not
how long they run: of a recording whose stamps begin late that is more than there can be.
"""

import re
from collections.abc import Sequence
from math import inf

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from workers.sources.containers.container import Entry

REORDERED = 2  # frames from decoding to presentation, where the file does not say
MISSING_S, MISSING_SHARE = 1.0, 0.02  # more than both missing at the end: cut off, not rounded
_TAGGED = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Extent:
    """What one pass over a file has reached."""

    def __init__(self, start_s: float) -> None:
        self._start, self._end, self._latest = start_s, start_s, -inf
        self._stamp = -inf  # the latest end as the container's time stamps have it
        self._step = 0.0  # between the last two frames in order of presentation, where packets have no duration
        self._steps = 1.5  # of these that may be missing

    def add(self, entry: Entry, is_video: bool) -> None:
        """Include a packet."""
        duration = entry.duration_s
        if is_video and entry.t > self._latest:
            self._step, self._latest = (0.0 if duration else min(entry.t - self._latest, entry.t)), entry.t
        if is_video and not entry.exact:
            self._steps = 1.5 + REORDERED
        self._end = max(self._end, entry.t + duration)
        self._stamp = max(self._stamp, entry.t - entry.place.offset + duration)

    def missing_s(self, declared_s: float) -> float:
        """Return the seconds that are missing; 0 for so little that it may be rounding."""
        missing = declared_s - max(self.present_s, self._stamp)
        return missing if missing > max(MISSING_S, MISSING_SHARE * declared_s, self._steps * self._step) else 0.0

    @property
    def present_s(self) -> float:
        """Return the seconds from the start to the end of the last packet."""
        return self._end - self._start


def declared_s(container: InputContainer, streams: Sequence[VideoStream | AudioStream]) -> float | None:
    """Return the length that a file declares of these tracks; None if it says nothing, or of others only."""
    lengths = [_length_s(stream) for stream in streams]
    known = [length for length in lengths if length is not None]
    if len(known) == len(streams):
        return max(known)
    others = any(s not in streams for s in (*container.streams.video, *container.streams.audio))
    whole = container.duration / av.time_base if container.duration else None
    return None if others else whole


def _length_s(stream: VideoStream | AudioStream) -> float | None:
    """Return the length of one track, of Matroska from the tag that most writers add."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tags = (_TAGGED.match(value) for name, value in stream.metadata.items() if name.startswith("DURATION"))
    return next((60.0 * (60 * int(m[1]) + int(m[2])) + float(m[3]) for m in tags if m), None)
