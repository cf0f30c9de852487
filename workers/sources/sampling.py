"""Which frames are wanted: the first one at or after every step of a grid in stream time.

Time stamps decide, never frame numbers or an average rate, so variable frame rates need no special case.
"""

from math import floor

SLACK_S = 5.1e-4  # time stamps in thousandths (Matroska) fall up to half of one short of a grid line


class Grid:
    """The sampling grid ``k / fps`` seconds. A frame serves one step; steps without a frame are left out."""

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._next: int | None = None

    def take(self, t: float) -> bool:
        """Return whether the frame at ``t`` stream seconds is wanted. Call in rising time."""
        step = floor((t + SLACK_S) * self.fps)
        if step < 0 or (self._next is not None and step < self._next):
            return False
        self._next = step + 1
        return True

    def rewind(self, t: float) -> None:
        """Make the step that the frame at ``t`` took, and all later ones, free again: it could not be decoded."""
        self._next = floor((t + SLACK_S) * self.fps)
