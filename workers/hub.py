"""The one place that talks to the model hub, and only when somebody asks for a pull."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from alignment.errors import WatchwordError
from workers.encoders.checkpoint import MANIFEST, UNKNOWN_LICENCE
from workers.errors import ModelUnavailable

Progress = Callable[[int, int], None]  # bytes done, bytes in all

# Weights without code, tokenizers and settings. Sentencepiece models are protobufs, not pickles.
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "README.md", "LICENSE*")
_DUPLICATES = {"open_clip": ("model*.safetensors",), "transformers": ("open_clip*",)}


class PullError(WatchwordError):
    """A model could not be fetched: the hub is unreachable or the connection broke."""

    code = "model_pull_failed"
    retryable = True


class PullRefused(PullError):
    """The hub answered, but not with a model for us: unknown, gated, or without safetensors."""

    code = "model_pull_refused"
    retryable = False


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What the hub says about a model. ``files``: name to bytes, of those that are wanted."""

    repo: str
    commit: str
    licence: str
    files: dict[str, int]


def look_up(repo: str, revision: str | None, profile: str | None) -> RemoteModel:
    """Ask the hub about ``repo``; raise ``PullError``."""
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
    """Fetch ``remote`` beside ``folder`` and move it there when it is whole; an interrupted pull resumes."""
    from huggingface_hub import hf_hub_download

    staging = folder.with_name(f".{folder.name}.{remote.commit[:12]}.partial")
    total, done = sum(remote.files.values()), 0
    for name, size in sorted(remote.files.items(), key=lambda item: item[1]):
        try:
            hf_hub_download(
                remote.repo,
                name,
                revision=remote.commit,
                local_dir=staging,
                endpoint=_endpoint(),
                tqdm_class=_reporter(on_progress, done, total),
            )
        except Exception as error:  # boundary: as above
            raise _pull_error(remote.repo, error) from error
        done += size
        on_progress(done, total)
    _finish(remote, staging, folder)
    return folder


def _finish(remote: RemoteModel, staging: Path, folder: Path) -> None:
    wrong = [n for n, size in remote.files.items() if size and (staging / n).stat().st_size != size]
    if wrong:
        raise PullError(f"{remote.repo}: {wrong[0]} arrived with another size", "pull it again")
    shutil.rmtree(staging / ".cache", ignore_errors=True)
    known = {"repo": remote.repo, "revision": remote.commit, "licence": remote.licence}
    (staging / MANIFEST).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    staging.rename(folder)


def _endpoint() -> str | None:
    """Return the hub or mirror to use, read now and not at import; None: the library's default."""
    return os.environ.get("HF_ENDPOINT") or None


def _reporter(on_progress: Progress, before: int, total: int) -> type[Any]:
    """Return a progress bar class for the hub library that draws nothing and reports bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

    def start(bar: Any, *args: Any, **kwargs: Any) -> None:
        tqdm.__init__(bar, *args, **{**kwargs, "file": io.StringIO(), "disable": False})

    def update(bar: Any, n: float = 1) -> None:
        tqdm.update(bar, n)
        on_progress(min(total, before + int(bar.n)), total)

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
