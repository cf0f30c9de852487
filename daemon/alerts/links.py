"""Links in messages: to the event on the page, and to mute it, signed so that only whoever got the message can."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from alignment.errors import ExitCode, WatchwordError
from alignment.file_io import PART_SUFFIX, make_folder

MUTE_PATH = "/api/v1/mute"
MUTE_S = 3600.0  # for how long a link mutes
LINK_S = 7 * 86_400.0  # how long a link works
KEY_FILE = "link.key"
_KEY_BYTES = 32


class MuteRefused(WatchwordError):
    """A link that mutes alerts is damaged, forged or too old."""

    code = "mute_refused"
    exit_code = ExitCode.USAGE
    remedy = "use the link of a newer message"


@dataclass(frozen=True, slots=True)
class MuteRequest:
    """What a valid link mutes: an event of a camera."""

    camera: str
    event: str


class Links:
    """Makes and reads the links of one daemon. ``public_url`` None: there are none. ``key``: signs what mutes."""

    def __init__(self, public_url: str | None, key: bytes) -> None:
        self._public_url, self._key = public_url, key

    def event(self, event_id: str) -> str | None:
        """Return the URL of an event on the page."""
        return f"{self._public_url}/events/{event_id}" if self._public_url else None

    def evidence(self, event_id: str, name: str) -> str | None:
        """Return the URL of an event's picture or video, which needs a token or a session."""
        return f"{self._public_url}/api/v1/events/{event_id}/{name}" if self._public_url else None

    def page(self) -> str | None:
        """Return the URL of the page."""
        return f"{self._public_url}/" if self._public_url else None

    def mute(self, camera: str, event: str, now: float) -> str | None:
        """Return the URL that mutes an event of a camera for an hour, once that is confirmed there."""
        if not self._public_url:
            return None
        expires = int(now + LINK_S)
        values = {"camera": camera, "event": event, "expires": expires, "sign": self._sign(camera, event, expires)}
        return f"{self._public_url}{MUTE_PATH}?{urlencode(values)}"

    def read_mute(self, query: Mapping[str, str], now: float) -> MuteRequest:
        """Return what the parameters of a link mute; raise ``MuteRefused``."""
        camera, event, expires = query.get("camera", ""), query.get("event", ""), -1
        with suppress(ValueError):
            expires = int(query.get("expires", ""))
        if not hmac.compare_digest(self._sign(camera, event, expires).encode(), query.get("sign", "").encode()):
            raise MuteRefused("this link is not valid")
        if now > expires:
            raise MuteRefused("this link is too old")
        return MuteRequest(camera, event)

    def _sign(self, camera: str, event: str, expires: int) -> str:
        text = f"mute\n{camera}\n{event}\n{expires}".encode()
        digest = hmac.digest(self._key, text, hashlib.sha256)[:18]
        return base64.urlsafe_b64encode(digest).decode()


def link_key(folder: Path) -> bytes:
    """Return the key that signs links, which is made at the first time; raise ``OSError``."""
    path = folder / KEY_FILE
    make_folder(folder, 0o700)
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
        path.unlink()
    whole = folder / f".{KEY_FILE}.{secrets.token_hex(4)}{PART_SUFFIX}"
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):  # another thread or process has just made one: that is the key
        os.link(whole, path)
    whole.unlink()
    return path.read_bytes()
