"""The folder of a training run: begun once, and continued only with what it was begun with."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.training.errors import TrainingStateError
from alignment.training.trainer import STATE_FILE
from daemon.exports import make_writable, write_atomic

RUN_FILE = "run.json"  # what was asked for, beside the run's state


def claim(folder: Path, asked: Mapping[str, Any], resume: bool) -> None:
    """Begin a run in a folder, or see that the run there may be continued; raise ``TrainingStateError``."""
    make_writable(folder, "choose another place for --out")
    note = folder / RUN_FILE
    text = json.dumps(asked, indent=2, ensure_ascii=False) + "\n"
    if not resume:
        if (folder / STATE_FILE).exists():
            raise TrainingStateError(
                f"{folder} holds a training run already", "continue it with --resume, or give another --out"
            )
        write_atomic(note, text)
        return
    try:
        begun = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise TrainingStateError(f"{folder} holds no training run: {e}", "start without --resume") from e
    if other := sorted(_differing(begun, json.loads(text))):
        raise TrainingStateError(
            f"the run in {folder} was begun with something else: {', '.join(other)}", "give the same, or another --out"
        )


def _differing(begun: Any, asked: Any, place: str = "") -> Iterator[str]:
    """Yield where two documents differ: ``config.optimiser.lr``."""
    if isinstance(begun, dict) and isinstance(asked, dict):
        for key in begun.keys() | asked.keys():
            yield from _differing(begun.get(key), asked.get(key), f"{place}.{key}" if place else key)
    elif begun != asked:
        yield place


def fingerprint(path: Path | None, stems: Collection[str] = ()) -> str | None:
    """Return what changes with a file; of a folder, with the names and sizes of the files with these stems."""
    if path is None:
        return None
    try:
        if not path.is_dir():
            return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        found = sorted((p.name, p.stat().st_size) for p in path.iterdir() if p.stem in stems)
    except OSError:
        return None  # who reads it says what is wrong with it
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
