"""Observations of false alerts of one camera, on disk, so that a restart keeps them.

One JSON file per camera. The key of an event's observations is its name, its description and rule, and the model:
after a change of any of these, scores are not comparable. A file that cannot be read is ignored, with a warning.
Version 1 had no allowances; its observations are read, and allowances start full.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import structlog

from alignment.spans.allowance import AllowanceState
from alignment.spans.budget import Budget, BudgetState
from alignment.spans.scene_change import SceneMonitor, SceneState
from alignment.types import F32, F64
from workers.clock import Clock
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.rules import RuleSet
from workers.events.writer import spec_version
from workers.types import EventSpec

VERSION = 2
READABLE = (1, VERSION)
SAVE_EVERY_S = 60.0
OVER_BUDGET_REMEDY = (
    "if they are right, raise max_false_alerts to what you want to be alerted of, or set a threshold; "
    "if not, name what they show under unlike, or describe the event more precisely"
)

UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BudgetKeys:
    """What observations belong to: the models that score, and by event its name with the version of its description."""

    model: str
    events: Mapping[str, str]

    @classmethod
    def of(cls, specs: Sequence[EventSpec], models: str) -> "BudgetKeys":
        """Return the keys of a camera's events; ``models`` names all models that decide."""
        return cls(models, {s.name: f"{s.name} {spec_version(s)}" for s in specs})


class BudgetKeeper(Protocol):
    """Where budgets are kept: the state, or the memory of a backtest."""

    def load_budgets(self, camera: str) -> bytes | None:
        """Return what a camera saved last, if anything."""
        ...

    def save_budgets(self, camera: str, document: bytes) -> None:
        """Keep what a camera has learned about its false alerts."""
        ...


class BudgetStore:
    """Keeps the budgets of a rule set, and the scene they belong to, by ``state``; None: in memory only.

    It also logs when an event exceeds its budget, and when it no longer does.
    """

    def __init__(
        self,
        state: BudgetKeeper | None,
        camera: str,
        rule_set: RuleSet,
        keys: BudgetKeys,
        look_alikes: LookAlikes,
        clock: Clock,
    ) -> None:
        """Load what was saved under these keys."""
        self.look_alikes = look_alikes
        self._state = state
        self._camera, self._rule_set, self._keys, self._clock = camera, rule_set, keys, clock
        self._saved_at = clock.monotonic()
        self._exceeded: frozenset[str] = frozenset()
        self.scenes = SceneMonitor()
        self._load_saved()

    def change(self, rule_set: RuleSet, keys: BudgetKeys, kept: Collection[str]) -> None:
        """Continue with other rules; those of the events that are ``kept`` have the same budgets as before."""
        watched = bool(self._rule_set.budgets)
        self._rule_set, self._keys = rule_set, keys
        self.look_alikes.forget(kept)
        if not watched:
            self._load_saved()
            return
        for name, budget in rule_set.budgets.items():
            if name not in kept:
                budget.enter_scene(self.scenes.state.current)

    def _load_saved(self) -> None:
        known = self._state.load_budgets(self._camera) if self._state is not None and self._rule_set.budgets else None
        if known is not None:
            self._load(known)

    def add_frames(self, t: F64, features: F32) -> None:
        """Add frames: stream seconds [N], features f32[N, D]. After a change of scene, switch budgets to that scene."""
        if not self._rule_set.budgets:
            return
        for scene, new in follow_scene(self.scenes, self._rule_set.budgets, t, features):
            log.info("scene changed", camera=self._camera, scene=scene, known=not new)

    def save(self, force: bool = False) -> None:
        """Send the document to be kept, at most once in ``SAVE_EVERY_S`` unless forced."""
        self._log_exceeded()
        due = self._clock.monotonic() - self._saved_at >= SAVE_EVERY_S
        if self._state is None or not self._rule_set.budgets or not (due or force):
            return
        self._saved_at = self._clock.monotonic()
        self._state.save_budgets(self._camera, self.document())

    def _log_exceeded(self) -> None:
        now = frozenset(name for name, budget in self._rule_set.budgets.items() if budget.allowance.exceeded)
        for name in now - self._exceeded:
            budget = self._rule_set.budgets[name]
            log.warning(
                "event over its false-alert budget: further ones are recorded and marked over_budget",
                camera=self._camera,
                event_name=name,
                events_a_day=round(24 * budget.allowance.events_per_hour, 2),
                budget_a_day=round(24 * budget.per_hour, 2),
                alert_threshold=round(budget.alert_threshold, 4),
                looks_like=self.look_alikes.names().get(name),
                hint=OVER_BUDGET_REMEDY,
            )
        for name in self._exceeded - now:
            log.info("event within its false-alert budget again", camera=self._camera, event_name=name)
        self._exceeded = now

    def document(self) -> bytes:
        """Return what is kept, as JSON."""
        scene = self.scenes.state
        means = [[number, [round(float(x), 5) for x in mean]] for number, mean in scene.means.items()]
        names = self.look_alikes.names()
        budgets = {
            self._keys.events[name]: asdict(b.state()) | {"look_alike": names.get(name)}
            for name, b in self._rule_set.budgets.items()
        }
        head = {"version": VERSION, "model": self._keys.model}
        return json.dumps(head | {"variance": scene.variance, "means": means, "budgets": budgets}).encode("ascii")

    def _load(self, content: bytes) -> None:
        try:
            document = json.loads(content)
            if document["model"] != self._keys.model:  # not comparable with the scores and embeddings of another model
                return
            scene, states, names = _parse(document)
        except UNREADABLE as error:
            text = "saved false-alert budgets cannot be read, starting without"
            log.warning(text, camera=self._camera, error=repr(error))
            return
        for name, budget in self._rule_set.budgets.items():
            state = states.get(self._keys.events[name])
            if state is None or not budget.restore(state, scene.current):
                budget.enter_scene(scene.current)
                if state is not None:
                    log.warning("saved false-alert budget has other levels, starting without", event_name=name)
        self.scenes = SceneMonitor(scene)
        keys = self._keys.events
        self.look_alikes.restore({event: names[key] for event, key in keys.items() if key in names})


def follow_scene(
    scenes: SceneMonitor, budgets: Mapping[str, Budget], t: F64, features: F32
) -> tuple[tuple[int, bool], ...]:
    """Show frames to the monitor, and switch budgets with the scene; return the changes (``SceneMonitor.observe``)."""
    found = []
    for changed in filter(None, map(scenes.observe, map(float, t), features)):
        found.append(changed)
        for budget in budgets.values():
            budget.enter_scene(*changed)
    return tuple(found)


def read_saved(path: Path) -> tuple[dict[str, BudgetState], dict[str, str]]:
    """Return budgets and names of look-alikes by key (name and version of an event); none where it cannot be read."""
    try:
        return _parse(json.loads(path.read_text(encoding="ascii")))[1:]
    except UNREADABLE:
        return {}, {}


def _parse(document: Any) -> tuple[SceneState, dict[str, BudgetState], dict[str, str]]:
    """Return the scene, and budgets and names of look-alikes by key; raise a Python error for any other document."""
    if document["version"] not in READABLE:
        raise ValueError(f"version {document['version']}, not {VERSION}")
    means = {int(number): np.array(mean, np.float32) for number, mean in document["means"]}
    scene = SceneState(means, _finite(document["variance"]))
    if (
        any(m.ndim != 1 or not np.isfinite(m).all() for m in means.values())
        or len({len(m) for m in means.values()}) > 1
    ):
        raise ValueError("scenes must be finite vectors of one length")
    budgets = {str(key): _budget(state) for key, state in document["budgets"].items()}
    names = {str(key): str(name) for key, state in document["budgets"].items() if (name := state.get("look_alike"))}
    return scene, budgets, names


def _budget(state: Any) -> BudgetState:
    levels = tuple(map(_finite, state["levels"]))
    scenes = {}
    for number, (hours, alerts) in state["scenes"].items():
        scenes[int(number)] = (_finite(hours), tuple(map(_finite, alerts)))
        if len(alerts) != len(levels):
            raise ValueError("levels and counts differ in number")
    allowance = state.get("allowance")
    if allowance is not None:
        allowance = AllowanceState(_finite(allowance["tokens"]), tuple(map(_finite, allowance["recent"])))
    return BudgetState(levels, scenes, allowance)


def _finite(value: Any) -> float:
    number = float(value)
    if not 0 <= number < 1e12:
        raise ValueError(f"{number} is not a count")
    return number
