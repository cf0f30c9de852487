"""Logs of Ray's worker processes: set up like the daemon's own, from environment variables that Ray hands on.

Ray forwards what workers print to the daemon's standard error, each line behind the actor's name.
"""

import os
from typing import Literal, cast

from daemon.logs import configure_logs

FORMAT, LEVEL = "WATCHWORD_LOG_FORMAT", "WATCHWORD_LOG_LEVEL"


def worker_environment(form: str, level: str) -> dict[str, str]:
    """Return the variables that ``configure_worker`` reads."""
    return {FORMAT: form, LEVEL: level}


def configure_worker() -> None:
    """Set up logs; called by Ray at the start of every worker process."""
    form = cast(Literal["auto", "json", "console"], os.environ.get(FORMAT, "auto"))
    configure_logs(form, os.environ.get(LEVEL, "info"))
