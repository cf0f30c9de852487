"""Changes of the configuration file by clients: from the version that they have read, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, Header, Response
from pydantic import BaseModel, Field

from daemon.api.errors import ApiError
from daemon.api.services import ApiServices
from daemon.config import ConfigError
from daemon.config.editing.edits import Edit
from daemon.config.editing.store import ConfigStore, ConfigurationChanged, ConfigurationReadOnly
from daemon.http.access import Principal
from daemon.logs.setup import register_secrets

MOST_PROBLEMS = 100
IfMatch = Annotated[
    str | None, Header(max_length=100, description="Version of the configuration that the change begins from.")
]
Entry = Annotated[dict[str, Any], Body(description="The entry as it stands in the configuration file.")]


class Written(BaseModel):
    """The configuration was changed."""

    version: str = Field(description="The version that the configuration has now.")
    changes: dict[str, list[str]] = Field(
        description="Names of what changes: `cameras_added`, `cameras_removed`, `cameras_changed` (which restart), "
        "`rules_changed` (cameras that go on with other rules), `events`, `sections`; `needs_restart`: keys that take "
        "effect only when the daemon is restarted."
    )


def store_of(api: ApiServices) -> ConfigStore:
    """Return the configuration file; raise ``ApiError`` if the daemon was started without one."""
    if api.store is None:
        raise ApiError(409, "no_configuration_file", "the daemon was started without a configuration file")
    return api.store


def write(
    api: ApiServices, principal: Principal, if_match: str | None, edits: Sequence[Edit], response: Response
) -> Written:
    """Change the file and let the daemon take it over; raise ``ApiError``.

    A token of some cameras changes nothing: rules are shared by all, and an address of a camera may be any file.
    """
    require_all_cameras(principal)
    if if_match is None:
        text = "send the header If-Match with the `version` that you have read"
        raise ApiError(428, "version_required", text)
    with config_errors():
        store = store_of(api)
        version = store.change(if_match.removeprefix("W/").strip('"'), edits)
        register_secrets(store.read()[0].secrets())  # before anything that was written is used
        changes = api.take_over()
    response.headers["etag"] = f'"{version}"'
    return Written(version=version, changes=changes.as_json())


def require_all_cameras(principal: Principal) -> None:
    """Raise ``ApiError`` for a principal that knows of some cameras only."""
    if principal.cameras is not None:
        raise ApiError(403, "cameras_limited", "a token that is limited to cameras cannot change the configuration")


@contextmanager
def config_errors() -> Iterator[None]:
    """Raise an ``ApiError`` for each error of the configuration within the block."""
    try:
        yield
    except ConfigurationChanged as error:
        headers = {"etag": f'"{error.version}"'}
        raise ApiError(412, error.code, f"{error.message}; {error.hint}", headers, version=error.version) from error
    except ConfigurationReadOnly as error:
        raise ApiError(409, error.code, f"{error.message}; {error.hint}") from error
    except ConfigError as error:
        problems = [
            {"file": Path(p.file).name, **{name: getattr(p, name) for name in ("line", "column", "key")}}
            | {"message": p.message, "hint": p.hint}
            for p in error.problems[:MOST_PROBLEMS]
        ]
        first = error.problems[0]
        text = ": ".join(filter(None, (first.key, first.message)))
        text += f" — {first.hint}" if first.hint else ""
        raise ApiError(422, "configuration_invalid", text, problems=problems) from error
