"""Training on several processes, machines or GPUs: Ray Train starts them, DDP averages their gradients.

Every worker draws its own share of each step's examples. The first worker validates, saves the state of the run (to
resume it, in a folder that all workers can read) and decides when to stop; the others follow it.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import ray
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from alignment.errors import WatchwordError
from alignment.training.errors import PackageMissing, TrainingDiverged
from alignment.training.trainer import StepReport, TrainResult
from daemon.training.job import Job, Measure, Place, fit, on_device
from workers.errors import ClusterUnreachable


def fit_on_workers(job: Job, workers: int) -> TrainResult:
    """Train the model of a job on ``workers`` processes, each with a GPU if the cluster has enough.

    The cluster is that of ``RAY_ADDRESS``, else a new one on this machine.
    """
    train = ray_train()
    own = not ray.is_initialized()
    if own:
        _join(workers)
    try:
        gpus = ray.cluster_resources().get("GPU", 0) >= workers and job.config.device != "cpu"
        trainer = train.torch.TorchTrainer(
            _work,
            train_loop_config={"job": ray.put(job)},
            scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpus),
            run_config=train.RunConfig(name="ray", storage_path=str(job.folder)),
        )
        result, trained = trainer.fit().return_value
    except train.WorkerGroupError as e:
        raise next((f for f in e.worker_failures.values() if isinstance(f, WatchwordError)), e) from e
    finally:
        if own:
            ray.shutdown()
    job.model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in trained.items()})
    job.model.eval()
    return result  # type: ignore[no-any-return]  # Ray is untyped


def ray_train() -> Any:
    """Return Ray Train, with its ``torch``; raise ``PackageMissing``."""
    try:
        import ray.train.torch
    except ImportError as e:
        hint = 'pip install "watchword[train]", or train without --workers'
        raise PackageMissing(f"Ray Train is not installed: {e}", hint) from e
    return ray.train


def _join(workers: int) -> None:
    """Join the cluster of ``RAY_ADDRESS``, or start a local one without dashboard."""
    address = os.environ.get("RAY_ADDRESS", "local")  # with no address, Ray would join any cluster on this machine
    local: dict[str, Any] = {"include_dashboard": False, "num_cpus": workers + 1} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except ConnectionError as e:
        raise ClusterUnreachable(f"no Ray cluster at {address}", "check RAY_ADDRESS, and `ray status` there") from e


def _work(config: Mapping[str, Any]) -> tuple[TrainResult, dict[str, NDArray[Any]]]:
    """Train on one worker; return result and weights. Raise ``TrainingDiverged`` if the workers' weights differ."""
    from ray.train import get_context
    from ray.train.torch import get_device

    context, device = get_context(), get_device()
    job: Job = on_device(ray.get(config["job"]), str(device))
    place = Place(context.get_world_rank(), context.get_world_size(), _parallel, _agreed)
    result = fit(job, _unheard, place)
    trained = {name: value.detach().cpu().numpy() for name, value in job.model.state_dict().items()}
    prints: list[Any] = [None] * place.workers
    learned = (trained[name].tobytes() for name, _ in job.model.named_parameters())  # batch norms' means differ
    dist.all_gather_object(prints, hashlib.sha256(b"".join(learned)).hexdigest())
    if len(set(prints)) > 1:
        raise TrainingDiverged("the workers ended with different weights", "report this as a bug")
    return result, trained


def _parallel(module: nn.Module) -> nn.Module:
    """Return the module in DDP, which averages gradients; unused heads have no gradient."""
    return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)


def _agreed(measure: Measure) -> Measure:
    """Return a validation that only the first worker computes, and all receive."""

    def measured(model: nn.Module) -> Mapping[str, float]:
        told: list[Any] = [measure(model) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(told)
        return dict(told[0])

    return measured


def _unheard(report: StepReport) -> None:
    """Ignore progress: on another machine it is only in the TensorBoard log."""
