"""Ray Train on two CPU workers: gradients are averaged, all end with the same weights, and the result is better."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.training.examples.data import shuffled
from alignment.training.examples.dataset import Example
from alignment.training.optimisers import OptimiserOptions
from alignment.training.state import load_state
from alignment.training.trainer import STATE_FILE
from daemon.config.sections.training import TrainConfig
from daemon.training.data import TrainingData
from daemon.training.job import Job
from tests.support.models.aligners import CALIBRATION, FRAME_DIM, SENTENCE_DIM, make_sample

pytest.importorskip("pyarrow", reason="needs watchword[train]")
CONFIG = TrainConfig(
    losses={"cross_entropy": 1.0}, optimiser=OptimiserOptions(lr=0.01), steps=20, batch_size=8, eval_every=10
)


def job(folder: Path, config: TrainConfig = CONFIG) -> Job:
    nameless = np.zeros((0, FRAME_DIM), np.float32)
    made = [make_sample(seed) for seed in range(16)]
    samples = [replace(s, query=replace(s.query, vocabulary=nameless)) for s in made]
    examples = [Example(f"v{i}", s.window, s.query, s.relevant) for i, s in enumerate(samples)]
    data = TrainingData(
        batches=shuffled(examples, batch_size=4, seed=0),
        epoch=len(examples),
        held_out=tuple(samples),
        calibration=CALIBRATION,
        dims=(FRAME_DIM, SENTENCE_DIM),
        facts={},
    )
    torch.manual_seed(0)
    return Job(CrossAttention(ModelConfig(width=16, layers=1)), data, config, folder)


@pytest.mark.long
@pytest.mark.ray
def test_two_workers_train_one_model(tmp_path: Path) -> None:
    from daemon.training.distributed import fit_on_workers

    work = job(tmp_path)
    measure = work.measure()
    assert measure is not None
    before = measure(work.model.eval())
    result = fit_on_workers(work, workers=2)  # raises where the workers' weights differ
    after = measure(work.model)
    assert result.steps == 20
    assert after["loss"] < 0.8 * before["loss"]
    state = load_state(tmp_path / STATE_FILE)
    assert state.numbers["progress"]["step"] == 20
    assert all(torch.equal(state.best[name], value) for name, value in work.model.state_dict().items())
