"""Detect scene changes of a camera from its frame embeddings.

The monitor compares a fast running mean with a slow one, relative to the variance of single frames. So the cuts of an
edited video, which vary all the time, are no change, but a camera that was turned is one. A change must last for
``LASTS_S``. Scenes that return (day and night, presets of a PTZ camera) are recognised.
"""

from dataclasses import dataclass, field

import numpy as np

from alignment.types import F32

FAST_S = 120.0  # time constants of the running means
SLOW_S = 3600.0
LASTS_S = 300.0  # a change that is shorter is something that happens, not another scene
RATIO = 3.0  # squared distance of the means by the variance of single frames, from which on it is a change
CALM = 1.5  # ... and down to which the suspicion is dropped
LEAST = 0.01  # squared distance of unit vectors below which nothing is a change: an angle of about 6 degrees
OUTLIER = 4.0  # how many times the variance a frame may add to it
SCENES = 4  # how many scenes are remembered
MAX_STEP_S = 10.0  # a longer gap between frames tells no more than this


@dataclass(slots=True)
class SceneState:
    """What the monitor knows; ``means`` f32[D] by the scene's number, the current one last."""

    means: dict[int, F32] = field(default_factory=dict)
    variance: float = 0.0  # mean squared distance of a frame from its scene's mean

    @property
    def current(self) -> int:
        """Return the current scene's number."""
        return next(reversed(self.means), 0)


class SceneMonitor:
    """Follows the scene of one camera. Costs a few vector operations a frame."""

    def __init__(self, state: SceneState | None = None) -> None:
        self.state = state or SceneState()
        self._fast: F32 | None = None
        self._last_t: float | None = None
        self._recent = 0.0  # variance around the fast mean
        self._watched = SLOW_S if self.state.means else 0.0  # seconds that the slow mean rests on
        self._suspected = 0.0  # for so many seconds the fast mean has been far away

    def observe(self, t: float, feature: F32) -> tuple[int, bool] | None:
        """Process a frame (stream seconds, unit row f32[D]).

        Return None, or after a scene change the number of the new scene and whether that number is newly assigned.
        """
        step = 0.0 if self._last_t is None else float(np.clip(t - self._last_t, 0.0, MAX_STEP_S))
        self._last_t = t
        if not np.isfinite(feature).all():
            return None
        if not self.state.means or self._mean.shape != feature.shape:  # what was saved may be of other embeddings
            self.state.means = {0: feature.astype(np.float32)}
        self._fast = self._mean if self._fast is None else _towards(self._fast, feature, step / FAST_S)
        self._recent += step / FAST_S * (_squared(feature, self._fast) - self._recent)
        self._watched += step
        rate = step / min(SLOW_S, self._watched + step) if step else 0.0  # a plain mean until it is warm
        self._widen(feature, rate)
        elsewhere = _squared(feature, self._fast) < _squared(feature, self._mean)
        if elsewhere and self._far(self._fast, self._mean, CALM if self._suspected else RATIO):
            self._suspected += step
            return self._change() if self._suspected >= LASTS_S else None
        self._suspected = 0.0
        self.state.means[self.state.current] = _towards(self._mean, feature, rate)
        return None

    @property
    def _mean(self) -> F32:
        return self.state.means[self.state.current]

    def _widen(self, feature: F32, rate: float) -> None:
        """Update the variance with a frame; outliers are cut, so that a scene change does not count as variance."""
        now = self.state.variance
        self.state.variance += rate * (min(_squared(feature, self._mean), LEAST + OUTLIER * now) - now)

    def _far(self, a: F32, b: F32, ratio: float) -> bool:
        return _squared(a, b) > max(LEAST, ratio * self.state.variance)

    def _change(self) -> tuple[int, bool]:
        """Switch to the stored scene nearest to the fast mean, or to a new scene."""
        assert self._fast is not None
        means, fast = self.state.means, self._fast
        self.state.variance, self._suspected, self._watched = self._recent, 0.0, FAST_S
        near = {n: _squared(m, fast) for n, m in means.items() if not self._far(m, fast, RATIO)}
        if near:
            number = min(near, key=near.__getitem__)
            means[number] = means.pop(number)  # the current one is last
            return number, False
        number = (
            len(means) if len(means) < SCENES else next(iter(means))
        )  # replace the scene that was not seen for longest
        means.pop(number, None)
        means[number] = fast
        return number, True


def _towards(mean: F32, x: F32, rate: float) -> F32:
    return np.asarray(mean + np.float32(min(rate, 1.0)) * (x - mean), np.float32)


def _squared(a: F32, b: F32) -> float:
    return float(((a - b) ** 2).sum())
