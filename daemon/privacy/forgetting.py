"""Forgetting: find everything of a scope, remember that it is gone, remove it, and look whether anything is left.

Redis is asked before anything is removed, so that a server that is down leaves everything as it was. An upload of the
scope that is being watched is ended first, and goes whole, with all that was told of it by then. A second run goes on
where a first one was interrupted.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from alignment.errors import WatchwordError
from alignment.file_io import make_folder, replacing
from daemon.privacy.kinds import KINDS
from daemon.privacy.stores.old_streams import reached
from daemon.privacy.stores.store import Places, Store
from workers.errors import PublishError
from workers.events.erasures import Erasures, Scope, hashed
from workers.events.timestamps import iso

FORMAT = "watchword-receipt/1"
ROUNDS = 3  # of removing and looking again: what was just being written shows up in the second
PAUSE_S = 1.0


class NotForgotten(WatchwordError):
    """Data of the camera and time range still exists after several attempts to remove it."""

    code = "not_forgotten"
    retryable = True
    remedy = "read the daemon's log for the reason, and run `watchword forget` again"


@dataclass(frozen=True, slots=True)
class Finding:
    """The data of a scope: items by kind of data, and the ids of its events."""

    items: Mapping[str, list[str]]
    ids: frozenset[str]

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of items of each kind."""
        return {kind: len(items) for kind, items in self.items.items()}


def find(places: Places, scope: Scope, known: frozenset[str] = frozenset()) -> Finding:
    """Look for everything of a scope, and of events ``known`` to belong to it, in places as ``reached`` yields them.

    Change nothing.
    """
    stores = _stores(places)
    ids = known.union(*(store.event_ids(scope) for store in stores.values()))
    return Finding({kind: store.items(scope, ids) for kind, store in stores.items()}, ids)


def forget(places: Places, scope: Scope, pause_s: float = PAUSE_S) -> Path:
    """Remove everything of a scope; return the receipt.

    Raise ``PublishError`` or ``UploadNotEnded`` where nothing was removed, ``NotForgotten`` where not all of it was.
    """
    with reached(places) as whole:
        return _forget(whole, scope, pause_s)


def _forget(places: Places, scope: Scope, pause_s: float) -> Path:
    find(places, scope)
    with places.halted(scope) as ended:
        reached = replace(scope, until=max(scope.until, ended or scope.until))
        removed = dict.fromkeys(_stores(places), 0)
        try:
            ids = _remove_all(places, reached, removed, pause_s)
            return _write_receipt(places, scope, reached, removed, ids)
        except NotForgotten:
            raise
        except (OSError, WatchwordError) as error:
            if isinstance(error, PublishError) and not any(removed.values()):
                raise
            raise NotForgotten(
                f"{_account(scope, removed)}, then: {error}", "correct that, and run `watchword forget` again"
            ) from error


def _remove_all(places: Places, scope: Scope, removed: dict[str, int], pause_s: float) -> frozenset[str]:
    """Remove and count items until none is found; return the ids of the events."""
    stores, found = _stores(places), find(places, scope)
    make_folder(places.layout.privacy, 0o700)
    for _ in range(ROUNDS):
        Erasures(places.layout.erasures).add(scope, found.ids)
        for kind, items in found.items.items():
            if items:
                stores[kind].remove(items)
                removed[kind] += len(items)
        time.sleep(pause_s)
        found = find(places, scope, found.ids)
        if not any(found.counts.values()):
            return found.ids
    text = f"{_account(scope, removed)}, and {listed(found.counts)} is still there"
    raise NotForgotten(text, "read the daemon's log for the reason, and run `watchword forget` again")


def listed(counts: Mapping[str, int]) -> str:
    """Return the number of items of each kind as text."""
    return ", ".join(f"{n} of {kind}" for kind, n in counts.items() if n) or "nothing"


def _account(scope: Scope, removed: Mapping[str, int]) -> str:
    return f"not all of camera {scope.camera} is forgotten: {listed(removed)} was removed"


def read_receipt(path: Path) -> dict[str, Any]:
    """Return a receipt; raise ``ValueError`` if it was changed after it was written."""
    receipt: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    if receipt.pop("digest") != _digest(receipt):
        raise ValueError(f"{path} was changed after it was written")
    return receipt


def _stores(places: Places) -> dict[str, Store]:
    return {kind.name: kind.store(places) for kind in KINDS if kind.store}


def _write_receipt(
    places: Places, scope: Scope, reached: Scope, removed: Mapping[str, int], ids: frozenset[str]
) -> Path:
    receipt: dict[str, Any] = {
        "format": FORMAT,
        "program": f"watchword {metadata.version('watchword')}",
        "carried_out": iso(time.time()),
        "asked": {"camera": scope.camera, "from": iso(scope.since), "to": iso(scope.until)},
        "reached": {"to": iso(reached.until), "upload_interrupted": reached != scope},
        "removed": dict(removed),
        "events_sha256": sorted(map(hashed, ids)),
        "left": dict.fromkeys(removed, 0),  # as the last look said
        "not_touched": "budgets (averages over hours), logs, backups, other readers of the stream, delivered alerts, "
        "streams of a server of your own that were configured earlier",
    }
    receipt["digest"] = _digest(receipt)
    folder = places.layout.privacy / "receipts"
    make_folder(folder, 0o700)
    path = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{receipt['digest'][:8]}.json"
    with replacing(path, private=True) as part:
        part.write_text(json.dumps(receipt, indent=1) + "\n", encoding="ascii")
    return path


def _digest(receipt: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()
