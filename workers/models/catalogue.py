"""Which models there are, which of them this machine has, and how to get one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from workers.errors import ModelUnavailable
from workers.models.folder import licence_of, manifest, size_mb
from workers.models.hub import Progress, download, look_up
from workers.models.options import EncoderOptions
from workers.models.profiles import PROFILES, EncoderProfile, HubModel, PackagedModel


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as ``watchword models list`` shows it. ``size_mb``: 10⁶ bytes, on disk or to fetch."""

    name: str
    profile: str
    part: str
    source: Literal["package", "hub"]
    installed: bool
    revision: str
    licence: str
    size_mb: float
    path: str | None = None
    hint: str = ""


_HUB_ID = re.compile(r"[\w.\-]+/[\w.\-]+")


def store_folder() -> Path:
    """Return where pulled models live: ``WATCHWORD_MODELS_DIR``, or ``~/.cache/watchword/models``."""
    chosen = os.environ.get("WATCHWORD_MODELS_DIR")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "watchword" / "models"


def list_models() -> tuple[ModelEntry, ...]:
    """Return the packaged models of every profile, the default models of the hub, and whatever else was pulled."""
    known = {model.repo for _, model in _hub_models()}
    pulled = (f for f in _pulled_folders() if "@" in f.name or manifest(f)["repo"] not in known)
    packaged = (_package_entry(profile, model) for profile in PROFILES.values() for model in profile.packages)
    return (*packaged, *(_hub_entry(profile, model) for profile, model in _hub_models()), *map(_folder_entry, pulled))


def info(name: str) -> ModelEntry:
    """Return the entry of a listed model; raise ``ModelUnavailable`` naming those there are."""
    listed = {entry.name: entry for entry in list_models()}
    if name not in listed:
        raise ModelUnavailable(f"there is no model {name!r} here", f"known: {', '.join(listed)}; or pull it")
    return listed[name]


def pull(name: str, revision: str | None = None, on_progress: Progress | None = None) -> ModelEntry:
    """Fetch a model from the hub into the store, weights as safetensors only; raise ``PullError``."""
    for profile in PROFILES.values():
        if name in {model.package for model in profile.packages}:
            raise ModelUnavailable(f"{name} is a Python package", _install(profile))
    repo = _hub_id(name)
    remote = look_up(repo, revision, _profile_of(name, repo))
    folder = _folder_of(repo, revision)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return _folder_entry(download(remote, folder, on_progress or (lambda done, total: None)))


def locate(options: EncoderOptions) -> Path:
    """Return the folder with the model of ``options``: a local folder, or a pulled one.

    Nothing is downloaded. Raise ``ModelUnavailable``.
    """
    name = options.resolved().model or ""
    local = Path(name).expanduser()
    if local.is_dir():
        return local
    if local.is_absolute() or name.startswith((".", "~")):
        raise ModelUnavailable(f"there is no folder {name}", "point models.model at a folder with a model's files")
    folder = _folder_of(_hub_id(name), options.revision)
    if not folder.is_dir():
        flag = f" --revision {options.revision}" if options.revision else ""
        raise ModelUnavailable(
            f"model {name} is not on this machine", f"fetch it once with: watchword models pull {name}{flag}"
        )
    return folder


def _hub_id(name: str) -> str:
    """Return the hub's id of a known name, of open_clip's ``ARCHITECTURE/TAG``, or of an id itself."""
    for _, known in _hub_models():
        if name == known.name:
            return known.repo
    if not _HUB_ID.fullmatch(name):
        raise ModelUnavailable(f"{name!r} is no model name", "use OWNER/NAME of the hub, or a local folder")
    return _open_clip_repo(name) or name


def _open_clip_repo(name: str) -> str | None:
    """Return the hub's id for open_clip's ``ARCHITECTURE/TAG``. The library takes seconds to import."""
    library = find_spec("open_clip")
    shipped = Path(library.origin).parent / "model_configs" if library and library.origin else None
    if shipped is None or not (shipped / f"{name.partition('/')[0]}.json").is_file():
        return None
    from open_clip import get_pretrained_cfg

    hub: str = get_pretrained_cfg(*name.split("/")).get("hf_hub", "")
    return "/".join(hub.split("/")[:2]) or None


def _profile_of(name: str, repo: str) -> str | None:
    for profile, known in _hub_models():
        if known.repo == repo:
            return profile.name
    return "open_clip" if name != repo else None


def _folder_of(repo: str, revision: str | None) -> Path:
    suffix = f"@{revision.replace('/', '--')}" if revision else ""
    return store_folder() / (repo.replace("/", "--") + suffix)


def _pulled_folders() -> Iterator[Path]:
    store = store_folder()
    folders = sorted(f for f in store.iterdir() if not f.name.startswith(".")) if store.is_dir() else []
    return (f for f in folders if "repo" in manifest(f))


def _folder_entry(folder: Path) -> ModelEntry:
    known = manifest(folder)
    _, _, revision = folder.name.partition("@")
    name = f"{known['repo']}@{revision}" if revision else str(known["repo"])
    profile = "open_clip" if (folder / "open_clip_config.json").is_file() else "transformers"
    return ModelEntry(
        name=name,
        profile=profile,
        part="vision, text",
        source="hub",
        installed=True,
        revision=str(known.get("revision", "")),
        licence=licence_of(folder),
        size_mb=size_mb(folder),
        path=str(folder),
    )


def _hub_models() -> Iterator[tuple[EncoderProfile, HubModel]]:
    """Yield the default models of the profiles that have one on the hub."""
    return ((profile, profile.default_model) for profile in PROFILES.values() if profile.default_model)


def _install(profile: EncoderProfile) -> str:
    return f"pip install 'watchword[{profile.extra}]'"


def _hub_entry(profile: EncoderProfile, known: HubModel) -> ModelEntry:
    folder = _folder_of(known.repo, None)
    here = folder.is_dir()
    return ModelEntry(
        name=known.name,
        profile=profile.name,
        part="vision, text",
        source="hub",
        installed=here,
        revision=str(manifest(folder).get("revision", "")),
        licence=licence_of(folder) if here else known.licence,
        size_mb=size_mb(folder) if here else known.size_mb,
        path=str(folder) if here else None,
        hint="" if here else f"watchword models pull {known.name}",
    )


def _package_entry(profile: EncoderProfile, known: PackagedModel) -> ModelEntry:
    try:
        installed = metadata.distribution(known.package)
    except metadata.PackageNotFoundError:
        return ModelEntry(
            known.package, profile.name, known.part, "package", False, "", known.licence, known.size_mb,
            hint=_install(profile),
        )  # fmt: skip
    size = sum(Path(str(f.locate())).stat().st_size for f in installed.files or () if Path(str(f.locate())).is_file())
    return ModelEntry(
        name=known.package,
        profile=profile.name,
        part=known.part,
        source="package",
        installed=True,
        revision=installed.version,
        licence=_package_licence(installed) or known.licence,
        size_mb=round(size / 1e6, 1),
        path=str(installed.locate_file("")),
    )


def _package_licence(installed: metadata.Distribution) -> str | None:
    fields = installed.metadata
    named = [fields[key].strip() for key in ("License-Expression", "License") if key in fields]
    classified = [c.rpartition(":: ")[2] for c in fields.get_all("Classifier") or () if "License ::" in c]
    usable = [n for n in named + classified if n and n != "UNKNOWN" and len(n) < 60]
    return usable[0] if usable else None
