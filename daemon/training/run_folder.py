"""The folder of a training run, which can only be resumed with the settings it was started with."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.training.errors import TrainingStateError
from alignment.training.trainer import STATE_FILE
from daemon.offline.exports import make_writable, write_atomic

RUN_FILE = "run.json"  # the settings of the run, in the folder of its state


def claim(folder: Path, asked: Mapping[str, Any], resume: bool) -> None:
    """Start a run in a folder, or check that its run can be resumed; raise ``TrainingStateError``."""
    make_writable(folder, "choose another place for --out")
    note = folder / RUN_FILE
    text = json.dumps(asked, indent=2, ensure_ascii=False) + "\n"
    if not resume:
        if (folder / STATE_FILE).exists():
            raise TrainingStateError(
                f"{folder} already has a training run", "resume it with --resume, or give another --out"
            )
        write_atomic(note, text)
        return
    try:
        begun = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise TrainingStateError(f"{folder} has no training run: {e}", "start without --resume") from e
    if other := sorted(_differing(begun, json.loads(text))):
        raise TrainingStateError(
            f"the run in {folder} was started with other settings: {', '.join(other)}", "use the same, or another --out"
        )


def _differing(begun: Any, asked: Any, place: str = "") -> Iterator[str]:
    """Yield the paths at which two documents differ, such as ``config.optimiser.lr``."""
    if isinstance(begun, dict) and isinstance(asked, dict):
        for key in begun.keys() | asked.keys():
            yield from _differing(begun.get(key), asked.get(key), f"{place}.{key}" if place else key)
    elif begun != asked:
        yield place


def fingerprint(path: Path | None, stems: Collection[str] = ()) -> str | None:
    """Return a fingerprint of a file's content; of a folder, of the names and sizes of files with these stems."""
    if path is None:
        return None
    try:
        if not path.is_dir():
            return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        found = sorted((p.name, p.stat().st_size) for p in path.iterdir() if p.stem in stems)
    except OSError:
        return None  # the reader of the file reports the error
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
