"""Requests of `watchword forget` to a running daemon: one file with the request, one with the response.

Only the daemon may change its event log; a request that it did not live to carry out waits for the next one.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import structlog

from alignment.errors import ExitCode, WatchwordError
from alignment.file_io import make_folder, replacing
from workers.errors import PublishError
from workers.events.erasures import Scope
from workers.state_layout import StateLayout

WAIT_S = 300.0
POLL_S = 0.1
LOOK_S = 2.0  # looking takes the lock of the state folder for a moment

log = structlog.get_logger()


class ForgetFailed(WatchwordError):
    """The daemon could not remove the data that `watchword forget` named."""

    code = "forget_failed"
    retryable = True
    remedy = "read the daemon's log for the reason, and run `watchword forget` again"


class ForgetUnreachable(ForgetFailed):
    """The daemon does not respond to `watchword forget`, or Redis does not respond to the daemon."""

    code = "forget_unreachable"
    exit_code = ExitCode.UNREACHABLE
    remedy = "read the daemon's log, check Redis, and run `watchword forget` again"


def ask(layout: StateLayout, scope: Scope, is_running: Callable[[], bool]) -> Path | None:
    """Request the removal from the daemon; return the receipt, or None if the daemon ended. Raise ``ForgetFailed``."""
    name = f"{time.time_ns()}-{os.getpid()}"
    request, answer = _folder(layout) / f"{name}.json", _folder(layout) / f"{name}.answer.json"
    make_folder(request.parent, 0o700)
    _write(request, asdict(scope))
    deadline, look = time.monotonic() + WAIT_S, time.monotonic() + LOOK_S
    try:
        while time.monotonic() < deadline:
            if answer.exists():
                told = json.loads(answer.read_text(encoding="utf-8"))
                if "receipt" in told:
                    return Path(told["receipt"])
                raise (ForgetUnreachable if told["unreachable"] else ForgetFailed)(told["error"], told["hint"])
            if time.monotonic() >= look:
                if not is_running():
                    return None
                look = time.monotonic() + LOOK_S
            time.sleep(POLL_S)
    finally:
        request.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
    hint = "read its log; it may still be at work: without --yes this command lists the data that remains"
    raise ForgetUnreachable(f"the daemon has not completed the request within {WAIT_S:.0f} s", hint)


def answer_all(layout: StateLayout, forget: Callable[[Scope], Path]) -> int:
    """Process the waiting requests; return their number."""
    waiting = sorted(p for p in _folder(layout).glob("[!.]*.json") if not p.name.endswith(".answer.json"))
    for request in waiting:
        try:
            receipt = forget(Scope(**json.loads(request.read_text(encoding="utf-8"))))
            told: dict[str, object] = {"receipt": str(receipt)}
        except FileNotFoundError:
            continue  # withdrawn
        except WatchwordError as error:
            log.warning("forgetting failed", code=error.code, error=str(error))
            away = isinstance(error, PublishError)
            told = {"error": error.message, "hint": error.hint, "unreachable": away}
        except Exception as error:  # a request that cannot be carried out must be answered all the same
            log.exception("forgetting failed unexpectedly")
            told = {"error": f"unexpected: {error!r}", "hint": "read the daemon's log", "unreachable": False}
        _write(request.with_name(f"{request.stem}.answer.json"), told)
        request.unlink(missing_ok=True)
    return len(waiting)


def _folder(layout: StateLayout) -> Path:
    return layout.privacy / "requests"


def _write(path: Path, document: Mapping[str, object]) -> None:
    with replacing(path, private=True) as part:
        part.write_text(json.dumps(document), encoding="utf-8")
