"""Statuses of cameras as the supervisor would hold them."""

from typing import Any

from daemon.observability.camera_state import CameraState, running_state
from daemon.observability.snapshot import CameraStatus
from workers.decisions.snapshot import StreamSnapshot

FINAL = {"finished": CameraState.ENDED, "failed": CameraState.FAILED}


def camera_status(stream: StreamSnapshot, idle_s: float = 0.0, **fields: Any) -> CameraStatus:
    """Return the status of a camera whose only attempt is ``stream``."""
    state = FINAL.get(stream.state) or running_state(stream, idle_s)
    return CameraStatus(stream, state, idle_s, **fields)
