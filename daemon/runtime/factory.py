"""The runtimes by name."""

import os
from importlib import resources
from pathlib import Path
from typing import Literal

from daemon.runtime.base import Runtime
from workers.services.settings import ServiceSettings

SAMPLE = Path(str(resources.files("daemon").joinpath("sample", "sample.mp4")))  # the bundled video

# Ray reads these when it is imported. With a token, only who can read ~/.ray/auth_token can use the cluster.
RAY_ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_task_events_report_interval_ms": "0",  # a history of every call, for a dashboard that is not there
    "RAY_worker_niceness": "0",  # not 15, at which anything else on the machine would starve cameras
    "RAY_prestart_worker_first_driver": "0",  # four processes, of which those without our hook serve no actor
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_WORKER_LOG_PREFIX": "1",  # a log line of an actor is one of ours, and says itself whose it is
    "RAY_kill_worker_timeout_milliseconds": "500",  # one that hangs is gone before its successor begins
}


def build_runtime(name: Literal["local", "ray"], settings: ServiceSettings, ray_address: str | None = None) -> Runtime:
    """Return a runtime, not started. Without ``settings.redis`` its events wait to be taken."""
    if name == "local":
        from daemon.runtime.local import LocalRuntime  # imports all services, which under Ray run in actors

        return LocalRuntime(settings)
    for variable, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    from daemon.runtime.ray import RayRuntime  # Ray takes seconds to import

    return RayRuntime(settings, ray_address)
