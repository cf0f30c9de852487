"""The training loop: deterministic, resumable, stops early, survives bad examples."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from alignment.aligners.trained.batches import Batch, Outputs, Sample, Targets
from alignment.calibration import LITE_CALIBRATION
from alignment.training.early_stopping import EarlyStopping
from alignment.training.errors import PackageMissing, TrainingDiverged, TrainingStateError
from alignment.training.examples.data import Batches, shuffled, streamed
from alignment.training.losses import Objective
from alignment.training.metrics_log import TensorBoardLog
from alignment.training.optimisers import OptimiserName, OptimiserOptions
from alignment.training.task import AlignmentTask
from alignment.training.trainer import STATE_FILE, StepReport, Trainer, TrainOptions
from alignment.training.validation import Validation, runs
from alignment.types import F32, EventQuery, FeatureWindow

CLIPS, WIDTH = 12, 8
CRITERION = Objective({"cross_entropy": 1.0, "span": 0.5})
OPTIONS = TrainOptions(steps=12, seed=3, eval_every=4)
FAST = OptimiserOptions(lr=0.02)


class Tiny(nn.Module):
    """A method with dropout, so that a run depends on the random numbers of every step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Sequential(nn.Linear(WIDTH, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 4))

    def forward(self, batch: Batch) -> Outputs:
        out = self.mix(batch.frames * batch.tokens[:, :1])
        shares = torch.ones(*batch.frames.shape[:2], 3) / 3
        attention = batch.token_mask[:, None].float().expand(-1, CLIPS, -1)
        return Outputs(out[..., 0], out[..., 1:3].exp(), out[..., 3], shares, attention)


def unit(x: NDArray[np.floating]) -> F32:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def example(rng: np.random.Generator) -> Sample:
    """A stream of noise in which what is described is seen for a few clips, or (one time in three) never."""
    none = np.zeros((0, WIDTH), np.float32)
    described, frames = unit(rng.normal(size=(1, WIDTH))), unit(rng.normal(size=(CLIPS, WIDTH)))
    start, present = int(rng.integers(CLIPS - 4)), rng.random() > 1 / 3
    if present:
        frames[start : start + 4] = unit(0.5 * frames[start : start + 4] + described)
    window = FeatureWindow(
        bounds=np.stack([np.arange(CLIPS), np.arange(1, CLIPS + 1)], 1).astype(np.float64),
        frames=frames,
        frame_mask=np.ones(CLIPS, bool),
        speech=none,
        speech_t=np.zeros((0, 2)),
        sound=np.zeros((CLIPS, 3), np.float32),
        sound_mask=np.zeros(CLIPS, bool),
    )
    query = EventQuery("e", described, none, none, none, np.zeros(3, np.float32), np.array([1, 0, 0], np.float32))
    relevant = np.array([[start, start + 4]] if present else [], np.float64).reshape(-1, 2)
    return Sample(window, query, relevant)


BATCHES = streamed(lambda number: [example(np.random.default_rng([1, number]))], streams=6)
HELD_OUT = [example(np.random.default_rng([7, i])) for i in range(24)]
MEASURE = Validation(HELD_OUT, CRITERION, LITE_CALIBRATION)


def trainer(
    options: TrainOptions = OPTIONS,
    *,
    batches: Batches = BATCHES,
    optimiser: OptimiserOptions = FAST,
    criterion: Callable[[Outputs, Targets], tuple[Tensor, Mapping[str, Tensor]]] = CRITERION,
    validate: Callable[[nn.Module], Mapping[str, float]] | None = MEASURE,
    on_step: Callable[[StepReport], None] | None = None,
    folder: Path | None = None,
) -> tuple[Trainer, Tiny]:
    model = Tiny()
    made = Trainer(
        *(model, criterion, optimiser, batches, AlignmentTask(LITE_CALIBRATION), options),
        validate=validate,
        on_step=on_step,
        folder=folder,
    )
    return made, model


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_same_seed_gives_the_same_weights_bit_by_bit_and_another_seed_others() -> None:
    trained: list[Tensor] = []
    for options in (OPTIONS, OPTIONS, replace(OPTIONS, seed=4)):
        made, model = trainer(options)
        torch.rand(len(trained))  # what else draws random numbers in the process does not matter
        made.fit()
        trained.append(weights(model))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw"])
def test_a_run_that_was_stopped_and_continued_equals_an_uninterrupted_one(name: OptimiserName, tmp_path: Path) -> None:
    optimiser = OptimiserOptions(name=name, lr=0.02, warmup_steps=3)
    whole, expected = trainer(optimiser=optimiser)
    result = whole.fit()

    def stop(report: StepReport) -> None:
        if report.step == 10:  # two steps behind the last saved state
            raise KeyboardInterrupt

    stopped, _ = trainer(optimiser=optimiser, on_step=stop, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    reports: list[StepReport] = []
    continued, model = trainer(optimiser=optimiser, on_step=reports.append, folder=tmp_path)
    continued.resume(tmp_path / STATE_FILE)
    assert continued.fit() == result
    assert [r.step for r in reports] == [9, 10, 11, 12]
    assert torch.equal(weights(model), weights(expected))


def test_the_best_weights_on_held_out_examples_are_kept_and_training_stops_when_they_do_not_improve() -> None:
    values = iter([0.2, 0.7, 0.5, 0.6, 0.9])
    seen: list[Tensor] = []

    def measure(model: nn.Module) -> Mapping[str, float]:
        assert not model.training
        seen.append(weights(model))
        return {"f1": next(values)}

    made, model = trainer(TrainOptions(steps=100, eval_every=5, patience=2), validate=measure)
    result = made.fit()
    assert (result.steps, result.best_step, result.best) == (20, 10, 0.7)
    assert torch.equal(weights(model), seen[1])


def test_early_stopping_watches_a_loss_downwards_and_takes_no_nan_for_better() -> None:
    state = EarlyStopping("loss", patience=2)
    for step, value in enumerate([1.0, float("nan"), 0.5, 0.6], 1):
        state = state.after(value, step)
    assert (state.best, state.best_step, state.over) == (0.5, 3, False)
    assert state.after(0.7, 5).over


def test_training_learns() -> None:
    before = MEASURE(Tiny().eval())
    made, model = trainer(TrainOptions(steps=100, eval_every=50))
    made.fit()
    after = MEASURE(model)
    assert after["loss"] < 0.7 * before["loss"]
    assert after["clip_f1"] > 0.85
    assert after["f1"] > before["f1"] + 0.2


def test_examples_that_are_not_finite_are_left_out_and_counted() -> None:
    def broken(rng: np.random.Generator) -> Sample:
        sample = example(rng)
        sample.window.frames[3, 2] = np.nan
        return sample

    mixed, model = trainer(batches=lambda step: [*BATCHES(step), broken(np.random.default_rng(step))])
    clean, expected = trainer()
    assert mixed.fit() == replace(clean.fit(), dropped_samples=12)
    assert torch.equal(weights(model), weights(expected))


def test_a_batch_of_nothing_usable_is_a_skipped_step() -> None:
    def batches(step: int) -> Sequence[Sample]:
        return [replace(s, relevant=np.array([[np.nan, 1.0]])) for s in BATCHES(step)] if step == 1 else BATCHES(step)

    made, model = trainer(batches=batches)
    result = made.fit()
    assert (result.dropped_samples, result.skipped_steps) == (6, 1)
    assert torch.isfinite(weights(model)).all()


def spoilt(bad: Callable[[int], bool]) -> Callable[[Outputs, Targets], tuple[Tensor, Mapping[str, Tensor]]]:
    calls = iter(range(1000))

    def criterion(outputs: Outputs, targets: Targets) -> tuple[Tensor, Mapping[str, Tensor]]:
        total, parts = CRITERION(outputs, targets)
        return (total * float("nan") if bad(next(calls)) else total), parts

    return criterion


def test_a_loss_that_is_no_number_skips_the_step_and_is_counted() -> None:
    made, model = trainer(criterion=spoilt(lambda call: call in (2, 5)), validate=None)
    result = made.fit()
    assert (result.steps, result.skipped_steps) == (12, 2)
    assert np.isfinite(result.loss)
    assert torch.isfinite(weights(model)).all()


def test_a_run_that_diverges_says_so() -> None:
    made, _ = trainer(TrainOptions(steps=100), criterion=spoilt(lambda call: call >= 4), validate=None)
    with pytest.raises(TrainingDiverged, match="up to step 28 — lower the learning rate"):
        made.fit()


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains_and_keeps_full_precision_weights(amp: Literal["bf16", "fp16"]) -> None:
    kinds: set[torch.dtype] = set()

    def criterion(outputs: Outputs, targets: Targets) -> tuple[Tensor, Mapping[str, Tensor]]:
        kinds.add(outputs.foreground.dtype)
        return CRITERION(outputs, targets)

    losses: list[float] = []
    made, model = trainer(
        TrainOptions(steps=40, amp=amp), criterion=criterion, validate=None, on_step=lambda r: losses.append(r.loss)
    )
    made.fit()
    assert kinds == {torch.bfloat16 if amp == "bf16" else torch.float16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_the_state_is_safetensors_with_json_and_nothing_else(tmp_path: Path) -> None:
    made, model = trainer(folder=tmp_path)
    made.fit()
    assert [p.name for p in tmp_path.iterdir()] == [STATE_FILE]
    with safe_open(tmp_path / STATE_FILE, framework="pt") as file:
        state = json.loads(file.metadata()["state"])
        names = set(file.keys())
    assert state["numbers"]["progress"]["step"] == 12
    assert {f"model.{n}" for n in model.state_dict()} <= names
    assert "optimiser.0.exp_avg" in names


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.unlink(), "no training state at"),
        (lambda p: p.write_bytes(p.read_bytes()[:-40]), "cannot continue from"),
        (lambda p: p.write_bytes(b"\x80\x04\x95 a pickle"), "cannot continue from"),
    ],
)
def test_a_state_that_cannot_be_read_is_a_clear_error(
    spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    made, _ = trainer(folder=tmp_path)
    made.fit()
    spoil(tmp_path / STATE_FILE)
    with pytest.raises(TrainingStateError, match=f"{message}.*— start without --resume"):
        trainer()[0].resume(tmp_path / STATE_FILE)


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    trainer(folder=tmp_path)[0].fit()
    with pytest.raises(TrainingStateError, match="the saved run has steps 12, not 20"):
        trainer(replace(OPTIONS, steps=20))[0].resume(tmp_path / STATE_FILE)
    made, model = trainer()
    model.mix[3] = nn.Linear(16, 5)
    with pytest.raises(TrainingStateError, match="size mismatch"):
        made.resume(tmp_path / STATE_FILE)


def test_an_epoch_shows_every_example_once_and_the_next_in_another_order() -> None:
    def numbered(i: int) -> Callable[[np.random.Generator], Sample]:
        return lambda rng: replace(HELD_OUT[i], relevant=np.array([[i, i + 1.0]]))

    batches = shuffled([numbered(i) for i in range(7)], batch_size=3, seed=5)
    epochs = [[int(s.relevant[0, 0]) for step in range(3 * e, 3 * e + 3) for s in batches(step)] for e in (0, 1)]
    assert [sorted(e) for e in epochs] == [list(range(7))] * 2
    assert epochs[0] != epochs[1]
    assert [len(batches(step)) for step in range(4)] == [3, 3, 1, 3]


def test_events_are_runs_of_probable_clips() -> None:
    bounds = 2 * np.stack([np.arange(6), np.arange(1, 7)], 1).astype(np.float64)
    found = runs(np.array([0.6, 0.8, 0.1, 0.2, 0.5, 0.7], np.float32), bounds)
    assert [(start, end) for start, end, _ in found] == [(0.0, 4.0), (8.0, 12.0)]  # the most probable first
    assert [p for _, _, p in found] == pytest.approx([0.7, 0.6])
    assert runs(np.zeros(6, np.float32), bounds) == []


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoardLog(tmp_path) as log:
        trainer(on_step=log)[0].fit()
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [e.step for e in read.Scalars("validation/f1")] == [4, 8, 12]
    assert [e.step for e in read.Scalars("train/span")] == [10]


def test_a_log_without_tensorboard_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(PackageMissing, match=r"not installed — pip install .watchword\[train\]"):
        TensorBoardLog(tmp_path)
