"""How a command asks a running daemon to forget: a file with the request, then one with the answer.

Only the daemon may change its spool; a request that it did not live to carry out waits for the next one.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import structlog

from alignment.durable import make_folder, replacing
from alignment.errors import WatchwordError
from workers.errors import PublishError
from workers.forgetting import Scope
from workers.state_layout import StateLayout

WAIT_S = 300.0
POLL_S = 0.1
LOOK_S = 2.0  # looking takes the lock of the state folder for a moment

log = structlog.get_logger()


class Refused(WatchwordError):
    """The daemon could not carry out a request."""

    code = "forget_failed"
    retryable = True


class Unreachable(Refused):
    """The daemon does not answer, or Redis does not answer it, and nothing was removed."""

    code = "forget_unreachable"


def ask(layout: StateLayout, scope: Scope, is_running: Callable[[], bool], wait_s: float = WAIT_S) -> Path | None:
    """Have the daemon forget; return the receipt, None where it ended before. Raise ``Refused``."""
    name = f"{time.time_ns()}-{os.getpid()}"
    request, answer = _folder(layout) / f"{name}.json", _folder(layout) / f"{name}.answer.json"
    make_folder(request.parent, 0o700)
    _write(request, asdict(scope))
    deadline, look = time.monotonic() + wait_s, time.monotonic() + LOOK_S
    try:
        while time.monotonic() < deadline:
            if answer.exists():
                told = json.loads(answer.read_text(encoding="utf-8"))
                if "receipt" in told:
                    return Path(told["receipt"])
                raise (Unreachable if told["unreachable"] else Refused)(told["error"], told["hint"])
            if time.monotonic() >= look:
                if not is_running():
                    return None
                look = time.monotonic() + LOOK_S
            time.sleep(POLL_S)
    finally:
        request.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
    hint = "see its log; it may be busy, or still be at it: without --yes this command tells what is there"
    raise Unreachable(f"the daemon has not carried out the request within {wait_s:.0f} s", hint)


def answer_all(layout: StateLayout, forget: Callable[[Scope], Path]) -> int:
    """Carry out the requests that wait; return how many."""
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
            told = {"error": f"unexpected: {error!r}", "hint": "see the daemon's log", "unreachable": False}
        _write(request.with_name(f"{request.stem}.answer.json"), told)
        request.unlink(missing_ok=True)
    return len(waiting)


def _folder(layout: StateLayout) -> Path:
    return layout.privacy / "requests"


def _write(path: Path, document: Mapping[str, object]) -> None:
    with replacing(path, private=True) as part:
        part.write_text(json.dumps(document), encoding="utf-8")
