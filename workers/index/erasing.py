"""Removes intervals of time from shards: an open one is changed in place while it grows, a full one is replaced."""

from pathlib import Path

import numpy as np

from alignment.types import Bools
from workers.errors import IndexDamaged
from workers.index.naming import OPEN, forgotten_path, tape_in
from workers.index.packing import sizes
from workers.index.records import Part, overwrite, part_from_bytes, part_to_bytes, records
from workers.index.shard import Shard, read_full, read_open
from workers.index.shard_file import save_shard
from workers.index.tables import Columns, item_spans, selected


def holds(path: Path, since: float, until: float) -> bool:
    """Return whether a shard of a live stream shows some of an interval, Unix seconds; True for one that is damaged.

    A shard of a file, in whose name the time is when it was watched, belongs to the interval as a whole: True.
    """
    try:
        shard = _read(path)
    except FileNotFoundError:
        return False
    except IndexDamaged:
        return True
    return not shard.info.tape.live or not _outside(shard.columns, since, until).all()


def erase(path: Path, since: float, until: float) -> None:
    """Remove the interval from a shard of a live stream; remove any other shard, as ``holds`` says. Raise ``OSError``.

    What is removed leaves a gap. A file is not recorded when it is watched again.
    """
    try:
        shard = _read(path)
    except FileNotFoundError:
        return
    except IndexDamaged:
        path.unlink(missing_ok=True)
        return
    kept = _outside(shard.columns, since, until)
    shows = np.isfinite(item_spans(shard.columns)[:, 0])
    if not shard.info.tape.live:
        forgotten_path(path.parent, tape_in(path)).touch(0o600)
    if not shard.info.tape.live or (path.suffix != OPEN and not (kept & shows).any()):
        path.unlink(missing_ok=True)
    elif path.suffix == OPEN:
        _erase_in_place(path, shard, since, until)
    else:
        metadata = {"closed": str(shard.closed).lower(), "torn": str(shard.torn)}
        save_shard(path, shard.info, selected(shard.columns, kept), metadata)


def _erase_in_place(path: Path, shard: Shard, since: float, until: float) -> None:
    widths = sizes(shard.info.tape)
    for record in [*records(path.read_bytes())][1:]:
        part = part_from_bytes(record.payload, widths)
        kept = _outside(part.columns, since, until)
        if not kept.all():
            left = part_to_bytes(Part(part.first, selected(part.columns, kept)))
            overwrite(path, record.offset, left, len(record.payload))


def _outside(columns: Columns, since: float, until: float) -> Bools:
    spans = item_spans(columns)
    return np.asarray((spans[:, 0] > until) | (spans[:, 1] < since))


def _read(path: Path) -> Shard:
    return read_open(path) if path.suffix == OPEN else read_full(path)
