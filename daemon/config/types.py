"""Validated text types of the configuration: names, descriptions, URLs, paths."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from workers.areas import crosses_itself
from workers.errors import SourceUnsupported
from workers.publish.redis.address import address_mistake
from workers.redaction import ENCODE, RedactedUrl, ambiguous
from workers.sources.url import LIVE_PROTOCOLS, parse_target
from workers.types import Polygon

NEEDS_HOST = frozenset({"rtsp", "rtsps", "http", "https", "redis", "rediss"})
# They show a text as another one; marks of direction, which Arabic and Hebrew need, do not.
MAX_CORNERS, MIN_AREA = 100, 1e-4  # of a polygon; share of the frame
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
NAME = r"^[A-Za-z0-9_-]{1,64}$"
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


def _plain_text(value: str) -> str:
    text = value.strip()
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise ValueError("a description must not contain line breaks or control characters")
    if not _REORDERING.isdisjoint(text):
        raise ValueError("a description must not contain characters that reorder text (U+202A to U+2069)")
    if not 1 <= len(text) <= 1000:
        raise ValueError("a description has 1 to 1000 characters")
    return text


def _area(value: Any) -> Polygon:
    """Return the corners of a polygon, each once; raise ``ValueError`` that says what is wrong with it."""
    if not isinstance(value, list | tuple) or not all(map(_is_corner, value)):
        raise ValueError("an area is a list of corners [x, y], for example [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]")
    if not all(0 <= share <= 1 for corner in value for share in corner):
        raise ValueError("corners are shares of the frame's width and height, from 0 to 1; divide pixels by them")
    given = [(float(x), float(y)) for x, y in value]
    corners = tuple(c for c, before in zip(given, [None, *given], strict=False) if c != before)
    corners = corners[:-1] if corners[1:] and corners[0] == corners[-1] else corners  # a ring that was closed
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise ValueError(f"an area has 3 to {MAX_CORNERS} corners, and {len(corners)} are given")
    if crosses_itself(corners):
        raise ValueError("edges of the area cross; list its corners in the order of a walk around it")
    turned = zip(corners, (*corners[1:], corners[0]), strict=True)
    if abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in turned)) < 2 * MIN_AREA:
        raise ValueError("the area is empty: its corners lie on one line")
    return corners


def _is_corner(value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and len(value) == 2
    return numbers and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _within(value: str, info: ValidationInfo) -> str:
    """Return a path that does not depend on where the program was started."""
    folder = (info.context or {}).get("folder", Path.cwd())
    try:
        return str(Path(folder, Path(value).expanduser()))
    except RuntimeError:
        raise ValueError("not a path: `~` is the home of a user who does not exist on this machine") from None


def _path(value: Any, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("not a path")
    return Path(_within(value, info))


def _parsed(value: str) -> str:
    """Return the URL; raise ``ValueError`` without quoting it where its parts cannot be told apart."""
    if doubt := ambiguous(value):
        raise ValueError(f"not a URL: {doubt}; {ENCODE}")
    try:
        parts = urlsplit(value)
        # Reading the port checks it. Only who listens (udp://:5000) needs no host.
        if parts.port == 0 or (parts.scheme in NEEDS_HOST and not parts.hostname):
            raise ValueError
    except ValueError:
        text = "not a URL: host or port is invalid; write rtsp://user:password@host:port/path"
        raise ValueError(f"{text}; {ENCODE}" if "@" in value else text) from None
    return value


def _camera_url(value: Any, info: ValidationInfo) -> RedactedUrl:
    if isinstance(value, RedactedUrl):
        return value
    if not isinstance(value, str) or not value.strip() or any(ord(c) < 32 for c in value):
        raise ValueError("not a URL or file path")
    if "://" not in value and value.partition(":")[0].lower() in LIVE_PROTOCOLS and ":" in value:
        raise ValueError("not a URL: write two slashes after the colon, as in rtsp://host/path")
    if "://" not in value and (doubt := ambiguous(value)):
        raise ValueError(f"not a URL: {doubt}; a file in this folder is written ./NAME")
    url = RedactedUrl(_parsed(value) if "://" in value else _within(value, info), _secrets(info))
    try:
        parse_target(url)
    except SourceUnsupported as error:
        raise ValueError(f"{value.partition('://')[0]}:// URLs are not supported; {error.hint}") from None
    return url


def _secrets(info: ValidationInfo) -> Iterable[str]:
    """Return texts from the environment that must be masked."""
    found: Iterable[str] = (info.context or {}).get("secrets", ())
    return found


def _redis_url(value: Any, info: ValidationInfo) -> RedactedUrl:
    if isinstance(value, RedactedUrl):
        return value
    if not isinstance(value, str):
        raise ValueError("not a Redis URL")
    if value != "embedded" and value.partition("://")[0] not in REDIS_SCHEMES:
        raise ValueError('not a Redis URL: write "embedded", redis://…, rediss://… or unix://…')
    if value == "embedded":
        return RedactedUrl(value)
    url = RedactedUrl(_parsed(value), _secrets(info))
    if mistake := address_mistake(url):
        raise ValueError(f"not a Redis URL: {mistake}")
    return url


def _vlm_url(value: Any, info: ValidationInfo) -> RedactedUrl:
    if isinstance(value, RedactedUrl):
        return value
    if not isinstance(value, str) or value.partition("://")[0] not in ("http", "https"):
        raise ValueError("not the URL of a server; write http://127.0.0.1:11434/v1 or https://host/v1")
    url = RedactedUrl(_parsed(value), _secrets(info))
    if urlsplit(value).username is not None:
        raise ValueError("a user in the URL of a verifier is not sent; write the key under `key`")
    if urlsplit(value).path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("write the base URL, which ends before /chat/completions, often with /v1")
    return url


def _evidence_place(value: Any, info: ValidationInfo) -> Path | RedactedUrl:
    if isinstance(value, Path | RedactedUrl):
        return value
    if not isinstance(value, str) or "://" not in value:
        return _path(value, info)
    url = RedactedUrl(_parsed(value), _secrets(info))
    scheme = value.partition("://")[0]
    try:
        from fsspec import get_filesystem_class

        get_filesystem_class(scheme)
    except ImportError as error:
        raise ValueError(f"{scheme}:// cannot be used: {error}") from None
    except ValueError:
        raise ValueError(f"fsspec knows no file system {scheme}://") from None
    return url


def _model(value: str, info: ValidationInfo) -> str:
    return _within(value, info) if value.startswith((".", "~")) else value


Name = Annotated[str, Field(pattern=NAME)]
"""Name of a camera, zone or event; used in metric labels, file names and ids."""

Description = Annotated[
    str, AfterValidator(_plain_text), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1000})
]
"""A description of an event in one sentence."""


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
"""A path; a relative path starts at the config file's folder."""

_shown = PlainSerializer(str, return_type=str)

EvidencePlace = Annotated[
    Path | RedactedUrl, PlainValidator(_evidence_place), _shown, WithJsonSchema({"type": "string", "minLength": 1})
]
"""A path, or the URL of a folder; printing or dumping it shows no credentials."""

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

VlmUrl = Annotated[RedactedUrl, PlainValidator(_vlm_url), _shown, WithJsonSchema({"type": "string", "minLength": 8})]
"""The base URL of a server of the OpenAI protocol; printing or dumping it shows no credentials."""

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_NAME = {"type": "string", "pattern": NAME}
_CORNER = {"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2}

Area = Annotated[
    Polygon,
    PlainValidator(_area),
    WithJsonSchema({"type": "array", "items": _CORNER, "minItems": 3, "maxItems": MAX_CORNERS}),
]
"""A polygon within the frame, in shares of its width and height."""

ZoneNames = Annotated[
    tuple[Name, ...],
    Field(min_length=1, max_length=20),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1, "maxItems": 20}]}),
]
"""The name of one zone, or the names of several."""

NameList = Annotated[
    tuple[Name, ...],
    Field(max_length=1000),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_NAME, {"type": "array", "items": _NAME, "maxItems": 1000}]}),
]
"""One name, or any number of names."""

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,260}$")]
"""A host, or host:port."""

ModelName = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_model)]
"""A model's name, hub id, or folder; a folder that starts with ``.`` starts at the config file's."""

_TELLING = re.compile("pass|pwd|token|key|secret|auth|user|sig|code|login", re.IGNORECASE)
_ORDINARY_LENGTH = 8


def url_secrets(url: RedactedUrl) -> set[str]:
    """Return the parts of a URL that must be masked everywhere.

    Not the short values of harmless parameters: masking the ``tcp`` of ``?transport=tcp`` would hide it in every line.
    """
    harmless = {v for k, v in url.parameters() if len(v) < _ORDINARY_LENGTH and not _TELLING.search(k)}
    return set(url.secrets()) - harmless
