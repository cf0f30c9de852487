"""What one camera has learned about its false alerts, on disk, so that a restart does not begin anew.

One JSON file a camera. An event's observations are found again by its name, its description and rule, and the model:
after a change of any of these the scores mean something else. What cannot be read counts as nothing, with a warning.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from alignment.budget import BudgetState
from alignment.drift import SceneMonitor, SceneState
from alignment.durable import make_folder, replacing
from alignment.types import F32, F64
from workers.clock import Clock
from workers.events import spec_version
from workers.types import EventSpec, ModelInfo
from workers.watch import Watch

VERSION = 1
SAVE_EVERY_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keys:
    """What observations belong to: the models that score, and by event its name with the version of its description."""

    model: str
    events: Mapping[str, str]

    @classmethod
    def of(cls, specs: Sequence[EventSpec], encoder: ModelInfo, aligner: str) -> "Keys":
        """Return the keys of a camera's events."""
        return cls(f"{encoder.id} {aligner}", {s.name: f"{s.name} {spec_version(s)}" for s in specs})


class BudgetStore:
    """Keeps the budgets of a watch, and the scene they hold for, in ``folder``; None: in memory only."""

    def __init__(self, folder: Path | None, camera: str, watch: Watch, keys: Keys, clock: Clock) -> None:
        """Take up what was saved under these keys."""
        self._path = folder / f"{camera}.json" if folder else None
        self._camera, self._watch, self._keys, self._clock = camera, watch, keys, clock
        self._saved_at = clock.monotonic()
        self.scenes = SceneMonitor()
        if self._path is not None and watch.budgets:
            self._load(self._path)

    def see(self, t: F64, features: F32) -> None:
        """Read frames: stream seconds [N], rows f32[N, D]. After a change of scene the budgets go on with its own."""
        if not self._watch.budgets:
            return
        for changed in filter(None, map(self.scenes.observe, map(float, t), features)):
            log.info("scene changed", camera=self._camera, scene=changed[0], known=not changed[1])
            for budget in self._watch.budgets.values():
                budget.enter_scene(*changed)

    def save(self, force: bool = False) -> None:
        """Write, at most once in ``SAVE_EVERY_S`` unless forced; a full disk costs a warning, not the stream."""
        due = self._clock.monotonic() - self._saved_at >= SAVE_EVERY_S
        if self._path is None or not self._watch.budgets or not (due or force):
            return
        self._saved_at = self._clock.monotonic()
        try:
            make_folder(self._path.parent, 0o700)
            with replacing(self._path, private=True) as part:
                part.write_text(json.dumps(self._document()), encoding="ascii")
        except OSError as error:
            log.warning("false-alert budgets cannot be kept", path=str(self._path), error=str(error))

    def _document(self) -> dict[str, Any]:
        scene = self.scenes.state
        means = [[number, [round(float(x), 5) for x in mean]] for number, mean in scene.means.items()]
        budgets = {self._keys.events[name]: asdict(b.state()) for name, b in self._watch.budgets.items()}
        head = {"version": VERSION, "model": self._keys.model}
        return head | {"variance": scene.variance, "means": means, "budgets": budgets}

    def _load(self, path: Path) -> None:
        try:
            document = json.loads(path.read_text(encoding="ascii"))
            if document["model"] != self._keys.model:  # its scores and embeddings mean nothing to another
                return
            scene, states = _parse(document)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("saved false-alert budgets cannot be read, starting anew", path=str(path), error=repr(error))
            return
        for name, budget in self._watch.budgets.items():
            state = states.get(self._keys.events[name])
            if state is None or not budget.restore(state, scene.current):
                budget.enter_scene(scene.current)
        self.scenes = SceneMonitor(scene)


def _parse(document: Any) -> tuple[SceneState, dict[str, BudgetState]]:
    """Return the scene and the budgets by key; raise what Python raises on anything that is not ours."""
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}, not {VERSION}")
    means = {int(number): np.array(mean, np.float32) for number, mean in document["means"]}
    scene = SceneState(means, _finite(document["variance"]))
    if (
        any(m.ndim != 1 or not np.isfinite(m).all() for m in means.values())
        or len({len(m) for m in means.values()}) > 1
    ):
        raise ValueError("the scenes are no vectors of one length")
    return scene, {str(key): _budget(state) for key, state in document["budgets"].items()}


def _budget(state: Any) -> BudgetState:
    levels = tuple(map(_finite, state["levels"]))
    scenes = {}
    for number, (hours, alerts) in state["scenes"].items():
        scenes[int(number)] = (_finite(hours), tuple(map(_finite, alerts)))
        if len(alerts) != len(levels):
            raise ValueError("levels and counts do not fit")
    return BudgetState(levels, scenes)


def _finite(value: Any) -> float:
    number = float(value)
    if not 0 <= number < 1e12:
        raise ValueError(f"{number} is no count")
    return number
