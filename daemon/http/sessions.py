"""Sessions of browsers: a page logs in with a token once, and then sends a cookie.

The cookie is 256 random bits. What is kept of it and of its token is their digests, so the file holds nothing that
logs in; a session whose token is no longer configured finds no principal, and has ended. Sessions survive a restart.
"""

import json
import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import structlog

from alignment.file_io import replacing
from workers.clock import Clock, SystemClock

COOKIE = "watchword_session"
LASTS_S = 30 * 86_400
MOST = 1000  # sessions; the one that ends first is dropped first

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Session:
    token: bytes  # digest
    until: float  # Unix seconds


class Sessions:
    """The sessions, kept in a file that only its owner may read; without a path in memory. From any thread."""

    def __init__(self, path: Path | None = None, clock: Clock | None = None) -> None:
        self._path, self._clock = path, clock or SystemClock()
        self._mutex = threading.Lock()
        self._known: dict[str, _Session] | None = None  # by the digest of the cookie; None: not read yet

    def begin(self, token: bytes) -> str:
        """Begin a session of the token with this digest; return its cookie. Raise ``OSError`` if it cannot be kept."""
        cookie, now = secrets.token_urlsafe(32), self._clock.wall()
        with self._mutex:
            known = {key: one for key, one in self._read().items() if one.until > now}
            known[_key(cookie)] = _Session(token, now + LASTS_S)
            newest = sorted(known, key=lambda key: known[key].until)[-MOST:]
            self._write({key: known[key] for key in newest})
        return cookie

    def token_of(self, cookie: str) -> bytes | None:
        """Return the digest of the token with which a session began; None where it has ended or never was."""
        with self._mutex:
            found = self._read().get(_key(cookie))
        return found.token if found and found.until > self._clock.wall() else None

    def end(self, cookie: str) -> None:
        """End a session; raise ``OSError`` if that cannot be kept."""
        with self._mutex:
            left = dict(self._read())
            if left.pop(_key(cookie), None) is not None:
                self._write(left)

    def _read(self) -> dict[str, _Session]:
        if self._known is None:
            self._known = _load(self._path) if self._path else {}
        return self._known

    def _write(self, sessions: dict[str, _Session]) -> None:
        if self._path is not None:
            document = {key: {"token": one.token.hex(), "until": one.until} for key, one in sessions.items()}
            with replacing(self._path, private=True) as part:
                part.write_text(json.dumps(document), encoding="ascii")
        self._known = sessions


def _load(path: Path) -> dict[str, _Session]:
    """Return what a file holds; a damaged one is logged and holds none: users log in again."""
    try:
        document = json.loads(path.read_text(encoding="ascii"))
        return {key: _Session(bytes.fromhex(one["token"]), float(one["until"])) for key, one in document.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.error("sessions cannot be read: users have to log in again", file=str(path), error=repr(error))
        return {}


def _key(cookie: str) -> str:
    return sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
