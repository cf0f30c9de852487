"""Secrets in what is shown of the file, and what is sent back: a mask that comes back unchanged keeps what is written.

So a page can show a camera, and save it again, without ever holding its password.
"""

from typing import Any

from daemon.config.document import KeyPath
from workers.redaction import MASK, RedactedUrl

SECRET_KEYS = frozenset({"key", "token", "secret", "password", "sha256"})


class MaskSent(ValueError):
    """A value contains the mask, but is not the masked form of what is written there. ``path``: within the value."""

    def __init__(self, path: KeyPath) -> None:
        super().__init__(path)
        self.path = path


def masked(value: Any, key: str = "") -> Any:
    """Return data as it is written, without the credentials of URLs and the values of secret keys."""
    if isinstance(value, dict):
        return {k: masked(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v) for v in value]
    if not isinstance(value, str):
        return value
    return MASK if key in SECRET_KEYS else str(RedactedUrl(value))


def unmasked(value: Any, written: Any, key: str = "", path: KeyPath = ()) -> Any:
    """Return a value that was sent, with masks replaced by what is written there; raise ``MaskSent``.

    Lists are compared as wholes: of a changed list no element is known to be one that was there.
    """
    if isinstance(value, dict):
        known = written if isinstance(written, dict) else {}
        return {k: unmasked(v, known.get(k), k, (*path, k)) for k, v in value.items()}
    if isinstance(value, list):
        if value == masked(written):
            return written
        return [unmasked(v, None, "", (*path, i)) for i, v in enumerate(value)]
    if isinstance(value, str) and MASK in value:
        if not isinstance(written, str) or masked(written, key) != value:
            raise MaskSent(path)
        return written
    return value
