"""Pictures of what is unlike all that a live camera has shown, for summaries: a few an hour at most.

What no rule asks for leaves no evidence otherwise. The picture is the frame as the model sees it, masked and blurred.
"""

import numpy as np

from alignment.summary.novelty import NOVEL
from alignment.summary.running import RunningNovelty
from workers.events.evidence import EvidenceStore
from workers.events.folder import UNUSUAL
from workers.events.timestamps import iso
from workers.items import FrameAnswer, StreamItem
from workers.services.clients import StateClient

LEAST_FRAMES = 2  # in a row: one may be damaged
LONGEST_S = 10.0  # of one moment; then its best frame is kept
BURST, REFILL_S = 10.0, 300.0  # pictures at once, and seconds until one more: 300 a day


class UnusualMoments:
    """Watches the frames of one live camera. For the thread that decides."""

    def __init__(self, camera: str, frames: EvidenceStore, state: StateClient) -> None:
        self._camera, self._frames, self._state = camera, frames, state
        self._novelty = RunningNovelty()
        self._moment: list[tuple[float, float]] = []  # (novelty, stream second) of the frames of the moment so far
        self._left, self._refilled = BURST, 0.0

    def take(self, item: StreamItem) -> None:
        """Look at the frames of an item; keep a picture of a moment when it is over."""
        if isinstance(item, FrameAnswer):
            for t, row in zip(item.pts_s, item.features, strict=True):
                if np.isfinite(row).all():
                    self._add(float(t), self._novelty.add(row))

    def _add(self, t: float, novelty: float) -> None:
        if novelty >= NOVEL:
            self._moment.append((novelty, t))
        over = novelty < NOVEL or t - self._moment[0][1] >= LONGEST_S
        if self._moment and over:
            moment, self._moment = self._moment, []
            if len(moment) >= LEAST_FRAMES and self._allowed(t):
                self._keep(max(moment)[1])

    def _allowed(self, t: float) -> bool:
        self._left = min(BURST, self._left + max(0.0, t - self._refilled) / REFILL_S)
        self._refilled = t
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _keep(self, t: float) -> None:
        picture = self._frames.picture(t)
        if picture is not None:
            number = f"{round(t * 1000)}"
            name = f"{iso(t)[:10]}/{UNUSUAL}{number}.jpg"
            self._state.keep_evidence(self._camera, name, number, picture, (t, t))
