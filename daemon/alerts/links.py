"""Links in messages: to the event on the page, and to mute it, signed so that only whoever got the message can."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from alignment.errors import ExitCode, WatchwordError
from alignment.file_io import PART_SUFFIX, make_folder

MUTE_PATH = "/api/v1/mute"
FEEDBACK_PATH = "/api/v1/feedback"
MUTE_S = 3600.0  # for how long a link mutes
LINK_S = 7 * 86_400.0  # how long a link works
KEY_FILE = "link.key"
_KEY_BYTES = 32


Verdict = Literal["right", "wrong"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong")


class LinkRefused(WatchwordError):
    """A link of a message, which mutes alerts or judges an event, is damaged, forged or too old."""

    code = "link_refused"
    exit_code = ExitCode.USAGE
    remedy = "use the link of a newer message"


@dataclass(frozen=True, slots=True)
class MuteRequest:
    """What a valid link mutes: an event of a camera."""

    camera: str
    event: str


@dataclass(frozen=True, slots=True)
class FeedbackRequest:
    """What a valid link says of which event."""

    event_id: str
    verdict: Verdict


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
        return self._signed(MUTE_PATH, {"camera": camera, "event": event}, now)

    def feedback(self, event_id: str, verdict: Verdict, now: float) -> str | None:
        """Return the URL that says of an event whether it is right, once that is confirmed there."""
        return self._signed(FEEDBACK_PATH, {"event": event_id, "verdict": verdict}, now) if self._public_url else None

    def read_mute(self, query: Mapping[str, str], now: float) -> MuteRequest:
        """Return what the parameters of a link mute; raise ``LinkRefused``."""
        return MuteRequest(*self._checked("mute", query, ("camera", "event"), now))

    def read_feedback(self, query: Mapping[str, str], now: float) -> FeedbackRequest:
        """Return what the parameters of a link say of which event; raise ``LinkRefused``."""
        event_id, said = self._checked("feedback", query, ("event", "verdict"), now)
        return FeedbackRequest(event_id, VERDICTS[VERDICTS.index(said)])

    def _signed(self, path: str, values: Mapping[str, str], now: float) -> str:
        expires = int(now + LINK_S)
        sign = self._sign(path.rpartition("/")[2], [*values.values()], expires)
        return f"{self._public_url}{path}?{urlencode({**values, 'expires': expires, 'sign': sign})}"

    def _checked(self, action: str, query: Mapping[str, str], names: Sequence[str], now: float) -> list[str]:
        """Return the values of a link; raise ``LinkRefused``."""
        values, expires = [query.get(name, "") for name in names], -1
        with suppress(ValueError):
            expires = int(query.get("expires", ""))
        if not hmac.compare_digest(self._sign(action, values, expires).encode(), query.get("sign", "").encode()):
            raise LinkRefused("this link is not valid")
        if now > expires:
            raise LinkRefused("this link is too old")
        return values

    def _sign(self, action: str, values: Sequence[str], expires: int) -> str:
        text = "\n".join((action, *values, str(expires))).encode()
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
