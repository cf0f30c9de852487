"""Scenes: a turned camera is noticed, an edited video is left alone, what comes back is recognised."""

import numpy as np
import pytest

from alignment.spans.scene_change import LASTS_S, SCENES, SceneMonitor, SceneState

D = 64


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def scene(rng: np.random.Generator) -> np.ndarray:
    return unit(rng.standard_normal(D))


def frames(rng: np.random.Generator, centre: np.ndarray, n: int, noise: float = 0.02) -> np.ndarray:
    return unit(centre + noise * rng.standard_normal((n, D)))


def follow(monitor: SceneMonitor, rows: np.ndarray, start: float, hop_s: float = 1.0) -> list[tuple[int, int, bool]]:
    """Return (index of the frame, scene, new) of every change."""
    seen = [(i, monitor.observe(start + i * hop_s, row)) for i, row in enumerate(rows)]
    return [(i, *change) for i, change in seen if change]


def test_a_turned_camera_is_another_scene_once_and_after_a_while() -> None:
    rng = np.random.default_rng(0)
    a, b = scene(rng), scene(rng)
    monitor = SceneMonitor()
    assert follow(monitor, frames(rng, a, 3600), 0) == []
    ((at, number, new),) = follow(monitor, frames(rng, b, 3600), 3600)
    assert LASTS_S <= at < LASTS_S + 120
    assert (number, new) == (1, True)
    assert monitor.state.current == 1


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_a_scene_that_comes_back_is_recognised(noise: float) -> None:
    rng = np.random.default_rng(1)
    day, night = scene(rng), scene(rng)
    monitor, changes = SceneMonitor(), []
    for k, centre in enumerate([day, night, day, night, day]):
        changes += follow(monitor, frames(rng, centre, 2400, noise), k * 2400)
    assert [c[1:] for c in changes] == [(1, True), (0, False), (1, False), (0, False)]


def test_what_passes_is_no_change() -> None:
    """A lorry stands before the camera for four minutes."""
    rng = np.random.default_rng(2)
    a, lorry = scene(rng), scene(rng)
    rows = np.concatenate([frames(rng, a, 1800), frames(rng, lorry, 240), frames(rng, a, 1800)])
    monitor = SceneMonitor()
    assert follow(monitor, rows, 0) == []


@pytest.mark.parametrize("shot_s", [1, 4, 12])
def test_the_cuts_of_an_edited_video_are_no_changes(shot_s: int) -> None:
    rng = np.random.default_rng(shot_s)
    common = scene(rng)  # what all pictures share in an embedding space
    shots = np.repeat(unit(common + 1.2 * unit(rng.standard_normal((7200 // shot_s, D)))), shot_s, axis=0)
    monitor = SceneMonitor()
    assert follow(monitor, unit(shots + 0.02 * rng.standard_normal(shots.shape)), 0) == []


def test_slow_light_is_followed() -> None:
    rng = np.random.default_rng(4)
    a, b = scene(rng), scene(rng)
    mix = np.linspace(0, 0.4, 6 * 3600)[:, None]
    rows = unit((1 - mix) * a + mix * b + 0.02 * rng.standard_normal((6 * 3600, D)))
    monitor = SceneMonitor()
    assert len(follow(monitor, rows, 0)) <= 1


def test_only_so_many_scenes_are_remembered_and_the_oldest_gives_way() -> None:
    rng = np.random.default_rng(5)
    monitor, changes = SceneMonitor(), []
    for k in range(SCENES + 2):
        changes += follow(monitor, frames(rng, scene(rng), 1500), k * 1500)
    assert [c[1:] for c in changes] == [*((n, True) for n in range(1, SCENES)), (0, True), (1, True)]
    assert len(monitor.state.means) == SCENES


def test_broken_frames_and_gaps_are_no_change() -> None:
    rng = np.random.default_rng(6)
    a, b = scene(rng), scene(rng)
    monitor = SceneMonitor()
    follow(monitor, frames(rng, a, 600), 0)
    assert monitor.observe(600, np.full(D, np.nan, np.float32)) is None
    assert monitor.observe(90_000, b) is None  # a day later: one frame is no evidence yet
    assert np.isfinite(monitor.state.means[0]).all()


def test_saved_scenes_of_another_width_are_forgotten() -> None:
    rng = np.random.default_rng(8)
    monitor = SceneMonitor(SceneState({0: np.ones(3, np.float32), 1: np.ones(3, np.float32)}, 0.1))
    assert follow(monitor, frames(rng, scene(rng), 10), 0) == []
    assert (monitor.state.current, len(monitor.state.means)) == (0, 1)


def test_a_restored_monitor_goes_on_where_it_was() -> None:
    rng = np.random.default_rng(7)
    a, b = scene(rng), scene(rng)
    monitor = SceneMonitor()
    follow(monitor, frames(rng, a, 1200), 0)
    saved = SceneState(dict(monitor.state.means), monitor.state.variance)
    assert follow(SceneMonitor(saved), frames(rng, a, 600), 5000) == []
    saved = SceneState(dict(monitor.state.means), monitor.state.variance)
    assert [c[1:] for c in follow(SceneMonitor(saved), frames(rng, b, 600), 5000)] == [(1, True)]
