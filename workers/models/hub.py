"""Client of the model hub, the only one: only ``watchword models pull`` uses it."""

from __future__ import annotations

import glob
import io
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from alignment.errors import ExitCode, WatchwordError
from workers.errors import ModelUnavailable
from workers.models.folder import MANIFEST, UNKNOWN_LICENCE

Progress = Callable[[int, int], None]  # bytes done, bytes in all

# Weights without code, tokenizers and settings. Sentencepiece models are protobufs, not pickles.
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "README.md", "LICENSE*")
_DUPLICATES = {"open_clip": ("model*.safetensors",), "transformers": ("open_clip*",)}


class PullError(WatchwordError):
    """A model cannot be downloaded: the hub is unreachable, or the connection broke."""

    code = "model_pull_failed"
    exit_code = ExitCode.UNREACHABLE
    retryable = True
    remedy = "pull it again: complete files are kept. Check the connection to the hub (HF_ENDPOINT names a mirror)"


class PullRefused(PullError):
    """The hub does not provide this model: it is unknown, gated, or has no safetensors weights."""

    code = "model_pull_refused"
    exit_code = ExitCode.USAGE
    retryable = False
    remedy = "check the model's name and revision, or choose another model"


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What the hub says about a model. ``files``: name to bytes, of those that are wanted."""

    repo: str
    commit: str
    licence: str
    files: dict[str, int]


def look_up(repo: str, revision: str | None, profile: str | None) -> RemoteModel:
    """Return what the hub knows about ``repo``; raise ``PullError``, or ``ModelUnavailable`` without the client."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ModelUnavailable("pulling needs the hub's client", "pip install 'watchword[clip]'") from error
    try:
        found = HfApi(endpoint=_endpoint()).model_info(repo, revision=revision, files_metadata=True, timeout=20)
    except Exception as error:  # boundary: hub and HTTP library errors share no root
        raise _pull_error(repo, error) from error
    sizes = {s.rfilename: s.size or 0 for s in found.siblings or ()}
    licence = getattr(found.card_data, "license", None) or UNKNOWN_LICENCE
    files = wanted_files(sizes, profile)
    if not any(name.endswith(".safetensors") for name in files):
        raise PullRefused(f"{repo} offers no safetensors weights", "Watchword loads no pickles; choose another model")
    return RemoteModel(repo, str(found.sha), str(licence), files)


def wanted_files(sizes: dict[str, int], profile: str | None) -> dict[str, int]:
    """Return the top-level files worth fetching; of weights stored twice, those that ``profile`` reads."""
    wanted = {n: s for n, s in sizes.items() if "/" not in n and any(fnmatch(n, p) for p in _WANTED)}
    spare = {n for n in wanted for p in _DUPLICATES.get(profile or "", ()) if fnmatch(n, p)}
    kept = {n: s for n, s in wanted.items() if n not in spare}
    return kept if any(n.endswith(".safetensors") for n in kept) else wanted


def download(remote: RemoteModel, folder: Path, on_progress: Progress) -> Path:
    """Download ``remote`` beside ``folder`` and move it there when it is complete.

    After an interrupted download the next one fetches what is missing. ``on_progress`` may be called from several
    threads, one at a time.
    """
    from huggingface_hub import snapshot_download

    staging = folder.with_name(f".{folder.name}.{remote.commit[:12]}.partial")
    total = sum(remote.files.values())
    try:
        snapshot_download(
            remote.repo,
            revision=remote.commit,
            local_dir=staging,
            allow_patterns=[glob.escape(name) for name in remote.files],
            endpoint=_endpoint(),
            tqdm_class=_reporter(on_progress, total),
        )
    except Exception as error:  # boundary: as above
        raise _pull_error(remote.repo, error) from error
    _finish(remote, staging, folder)
    on_progress(total, total)
    return folder


def _finish(remote: RemoteModel, staging: Path, folder: Path) -> None:
    arrived = {path.name: path.stat().st_size for path in staging.iterdir() if path.is_file()}
    if wrong := [n for n, size in remote.files.items() if n not in arrived or (size and arrived[n] != size)]:
        raise PullError(f"{remote.repo}: {wrong[0]} is missing or has another size", "pull it again")
    shutil.rmtree(staging / ".cache", ignore_errors=True)
    known = {"repo": remote.repo, "revision": remote.commit, "licence": remote.licence}
    (staging / MANIFEST).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    staging.rename(folder)


def _endpoint() -> str | None:
    """Return the hub or mirror to use, read now and not at import; None: the library's default."""
    return os.environ.get("HF_ENDPOINT") or None


def _reporter(on_progress: Progress, total: int) -> type[Any]:
    """Return a progress bar class for the hub library that draws nothing and reports bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

    lock, reached = threading.Lock(), 0

    def start(bar: Any, *args: Any, **kwargs: Any) -> None:
        tqdm.__init__(bar, *args, **{**kwargs, "file": io.StringIO(), "disable": False})

    def update(bar: Any, n: float = 1) -> None:
        nonlocal reached
        tqdm.update(bar, n)
        if bar.unit == "B":  # other bars count files
            with lock:  # there are several bars of bytes: received, written
                reached = max(reached, min(total, int(bar.n)))
                on_progress(reached, total)

    return type("Reporter", (tqdm,), {"__init__": start, "update": update})


def _pull_error(repo: str, error: Exception) -> PullError:
    """Return what the hub's error means to a person."""
    from huggingface_hub import errors

    local = "or put its files into a folder and set models.model to that folder"
    if isinstance(error, errors.GatedRepoError):
        return PullRefused(f"{repo} asks you to accept its terms on the hub first", f"accept them and log in, {local}")
    if isinstance(error, errors.RevisionNotFoundError):
        return PullRefused(f"{repo} has no such revision", "leave the revision out for the newest one")
    if isinstance(error, errors.RepositoryNotFoundError):
        return PullRefused(f"the hub knows no model {repo}", "check the spelling; private models need a login")
    if isinstance(error, errors.HFValidationError):
        return PullRefused(f"{repo!r} is no model name", "use OWNER/NAME")
    first = next(iter(str(error).splitlines()), "")[:200]
    return PullError(
        f"{repo} could not be fetched: {type(error).__name__}: {first}",
        f"check the connection to the hub (HF_ENDPOINT names a mirror), {local}",
    )
