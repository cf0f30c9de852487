"""Texts of the configuration with their bounds: names, descriptions, URLs, paths."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from workers.errors import SourceUnsupported
from workers.redaction import RedactedUrl
from workers.sources.url import LIVE_PROTOCOLS, parse_target

NEEDS_HOST = frozenset({"rtsp", "rtsps", "http", "https", "redis", "rediss"})
# They show a text as another one; marks of direction, which Arabic and Hebrew need, do not.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


def _plain_text(value: str) -> str:
    text = value.strip()
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise ValueError("a description must not hold line breaks or control characters")
    if not _REORDERING.isdisjoint(text):
        raise ValueError("a description must not hold marks that reorder what is shown (U+202A to U+2069)")
    if not 1 <= len(text) <= 1000:
        raise ValueError("a description has 1 to 1000 characters")
    return text


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _within(value: str, info: ValidationInfo) -> str:
    """Return a path that does not depend on where the program was started."""
    folder = (info.context or {}).get("folder", Path.cwd())
    try:
        return str(Path(folder, Path(value).expanduser()))
    except RuntimeError:
        raise ValueError("not a path: `~` begins the home of a user whom this machine does not know") from None


def _path(value: Any, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("not a path")
    return Path(_within(value, info))


def _parsed(value: str) -> str:
    """Return the URL; raise ``ValueError`` without quoting it where its parts cannot be told apart."""
    try:
        parts = urlsplit(value)
        # Reading the port checks it. Only who listens (udp://:5000) needs no host.
        if parts.port == 0 or (parts.scheme in NEEDS_HOST and not parts.hostname):
            raise ValueError
    except ValueError:
        raise ValueError("not a URL: its host or port is wrong; write rtsp://user:password@host:port/path") from None
    return value


def _camera_url(value: Any, info: ValidationInfo) -> RedactedUrl:
    if isinstance(value, RedactedUrl):
        return value
    if not isinstance(value, str) or not value.strip() or any(ord(c) < 32 for c in value):
        raise ValueError("not a URL or file path")
    if "://" not in value and value.partition(":")[0].lower() in LIVE_PROTOCOLS and ":" in value:
        raise ValueError("not a URL: two slashes follow the colon, as in rtsp://host/path")
    url = RedactedUrl(_parsed(value) if "://" in value else _within(value, info), _secrets(info))
    try:
        parse_target(url)
    except SourceUnsupported as error:
        raise ValueError(f"nothing here reads {value.partition('://')[0]}:// URLs; {error.hint}") from None
    return url


def _secrets(info: ValidationInfo) -> Iterable[str]:
    """Return what came from the environment and must not be shown."""
    found: Iterable[str] = (info.context or {}).get("secrets", ())
    return found


def _redis_url(value: Any, info: ValidationInfo) -> RedactedUrl:
    if isinstance(value, RedactedUrl):
        return value
    if not isinstance(value, str):
        raise ValueError("not a Redis URL")
    if value != "embedded" and value.partition("://")[0] not in REDIS_SCHEMES:
        raise ValueError('write "embedded", or redis://, rediss:// or unix:// with the server')
    return RedactedUrl(value if value == "embedded" else _parsed(value), _secrets(info))


def _model(value: str, info: ValidationInfo) -> str:
    return _within(value, info) if value.startswith((".", "~")) else value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A name of a camera or event: a metric label, a part of file names and of ids."""

Description = Annotated[
    str, AfterValidator(_plain_text), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1000})
]
"""One sentence that tells what to look or listen for."""


def _descriptions_schema(least: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 1000}
    return {"anyOf": [text, {"type": "array", "items": text, "minItems": least, "maxItems": 50}]}


Descriptions = Annotated[
    tuple[Description, ...],
    Field(min_length=1, max_length=50),
    BeforeValidator(_as_list),
    WithJsonSchema(_descriptions_schema(1)),
]
"""One description, or 1 to 50 paraphrases."""

Contrasts = Annotated[
    tuple[Description, ...],
    Field(max_length=50),
    BeforeValidator(_as_list),
    WithJsonSchema(_descriptions_schema(0)),
]
"""Up to 50 descriptions of what the event is not."""

AnyPath = Annotated[Path, PlainValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
"""A path; a relative one starts at the config file's folder."""

_shown = PlainSerializer(str, return_type=str)

CameraUrl = Annotated[
    RedactedUrl, PlainValidator(_camera_url), _shown, WithJsonSchema({"type": "string", "minLength": 1})
]
"""A camera's URL or a file's path; printing or dumping it shows no credentials."""

RedisUrl = Annotated[
    RedactedUrl,
    PlainValidator(_redis_url),
    _shown,
    WithJsonSchema({"type": "string", "pattern": r"^(embedded|(redis|rediss|unix)://.*|.*\{[A-Z_][A-Z0-9_]*\}.*)$"}),
]
"""``embedded`` or the URL of a server; printing or dumping it shows no credentials."""

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,260}$")]
"""A host, or host:port."""

ModelName = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_model)]
"""A model's name, hub id, or folder; a folder that starts with ``.`` starts at the config file's."""

_TELLING = re.compile("pass|pwd|token|key|secret|auth|user|sig|code|login", re.IGNORECASE)
_ORDINARY_LENGTH = 8


def url_secrets(url: RedactedUrl) -> set[str]:
    """Return what of a URL must be masked wherever it turns up.

    Not the short values of harmless parameters: masking the ``tcp`` of ``?transport=tcp`` would hide it in every line.
    """
    if "://" not in url.reveal():
        return set()
    parameters = parse_qsl(urlsplit(url.reveal()).query)
    harmless = {v for k, v in parameters if len(v) < _ORDINARY_LENGTH and not _TELLING.search(k)}
    return set(url.secrets()) - harmless
