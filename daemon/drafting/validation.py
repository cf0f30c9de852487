"""A draft held against the rules of the configuration before it is written."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from daemon.config import Config, ConfigError
from daemon.config.environment import substitute
from daemon.config.loader import config_of_text
from daemon.drafting.draft import Draft
from daemon.drafting.template import render


class _AnyValue(dict[str, str]):
    """An environment in which every variable is set: those of a draft may be set later."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "unset"


def config_of(draft: Draft, path: Path, env: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration that a draft becomes at ``path``; raise ``ConfigError``.

    Variables that are not set have a made-up value.
    """
    return config_of_text(render(draft, str(path)), path, _AnyValue(env))


def valid_cameras(draft: Draft, path: Path) -> Draft:
    """Return the draft without zones and cameras that the configuration does not allow; the notes say why."""
    cameras, notes = [], list(draft.notes)
    for camera in draft.cameras:
        for tried in dict.fromkeys((camera, replace(camera, zones=(), in_zones=()))):
            try:
                config_of(replace(draft, cameras=(tried,)), path)
                cameras.append(tried)
                break
            except ConfigError as error:
                notes.append(f"{camera.name}: {error.problems[0].message}")
    return replace(draft, cameras=tuple(cameras), notes=tuple(notes))


def unset_variables(draft: Draft, env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the environment variables that a draft names and that are not set, each once."""
    templates = (*(camera.url for camera in draft.cameras), draft.redis)
    yield from dict.fromkeys(name for text in templates for name in substitute(text, env).missing)
