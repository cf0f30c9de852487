"""A folder with a model's files: its weights, revision, licence and size. Nothing in it is ever executed."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignment.errors import WatchwordError
from workers.errors import ModelUnavailable
from workers.models.device import fitting

MANIFEST = "watchword.json"  # written by ``watchword models pull``: name, repo, revision, licence
UNKNOWN_LICENCE = "unknown"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@contextmanager
def native_errors(what: str) -> Iterator[None]:
    """Turn whatever a model library raises about ``what`` into ``ModelUnavailable``."""
    try:
        with fitting(what):
            yield
    except WatchwordError:
        raise
    except ImportError as error:
        raise ModelUnavailable(f"{what} needs a package: {error}", "pip install 'watchword[clip]'") from error
    except Exception as error:  # boundary: the libraries raise anything, even bare Exception
        first = next(iter(str(error).strip().splitlines()), "")[:300]
        raise ModelUnavailable(
            f"{what} could not be loaded: {type(error).__name__}: {first}",
            "its files are damaged or of another model: pull it again, or point models.model elsewhere",
        ) from error


def find_weights(folder: Path, preferred: tuple[str, ...]) -> Path:
    """Return the safetensors file of ``folder``, ``preferred`` names first. Pickles are refused by type."""
    for name in preferred:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found[0]
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES) if folder.is_dir() else []
    if pickled:
        raise ModelUnavailable(
            f"{folder} holds only {', '.join(pickled)}, which can run code when loaded",
            "convert the weights to safetensors; Watchword loads nothing else",
        )
    raise ModelUnavailable(f"{folder} holds no .safetensors weights", "point models.model at a model's folder")


def manifest(folder: Path) -> dict[str, Any]:
    """Return what the pull wrote down about ``folder``; empty for a folder that was not pulled."""
    try:
        read = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def revision_of(folder: Path, weights: Path) -> str:
    """Return the pulled commit, or else the start of the weights' SHA-256 (about a second a gigabyte)."""
    pulled = manifest(folder).get("revision")
    if pulled:
        return str(pulled)[:12]
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def licence_of(folder: Path) -> str:
    """Return the licence named by the pull or by the front matter of the folder's README."""
    pulled = manifest(folder).get("licence")
    if pulled and pulled != UNKNOWN_LICENCE:
        return str(pulled)
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return UNKNOWN_LICENCE
    front = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    named = re.search(r"^license:\s*['\"]?([\w.\-]+)", front.group(1), re.MULTILINE) if front else None
    return named.group(1) if named else UNKNOWN_LICENCE


def size_mb(folder: Path) -> float:
    """Return the size of the folder's weights, in megabytes of 10⁶ bytes."""
    return round(sum(p.stat().st_size for p in folder.glob("*.safetensors")) / 1e6, 3)
