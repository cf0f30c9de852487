"""The configuration file as several editors share it: read with a version, changed only from that version.

A change is validated as a whole before anything is written; then the file is replaced atomically, with its permissions,
its owner and a link that leads to it kept. The version before stays beside it as ``config.yaml.previous``.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alignment.errors import WatchwordError
from alignment.file_io import PART_SUFFIX, replacing
from daemon.config.document import dotted, parse_text, read_bytes
from daemon.config.editing.edits import Edit, Put, edited, written_data
from daemon.config.editing.masking import MaskSent, masked, unmasked
from daemon.config.errors import ConfigError, Problem, UnusableSetting
from daemon.config.loader import config_of_text
from daemon.config.schema import Config

PREVIOUS = ".previous"


class ConfigurationChanged(WatchwordError):
    """The configuration was changed by somebody else since it was read; nothing was written."""

    code: ClassVar[str] = "configuration_changed"
    remedy: ClassVar[str] = "read the configuration again, and repeat the change on what it says now"

    def __init__(self, version: str) -> None:
        """Take the version that the file has now."""
        super().__init__(f"the configuration has changed; it has version {version} now")
        self.args = (version,)
        self.version = version


class ConfigurationReadOnly(UnusableSetting):
    """The configuration file cannot be replaced; nothing was written."""

    code = "configuration_read_only"
    remedy = (
        "let the daemon's user write to the folder of the file (in a container: mount the folder, not the file), "
        "or edit the file by hand and reload"
    )


@dataclass(frozen=True, slots=True)
class ConfigText:
    """The content of the file at one moment, without a byte order mark, and its version."""

    text: str
    version: str
    marked: bool = False  # a byte order mark stands before it


class ConfigStore:
    """Reads and changes one configuration file. Thread-safe; editors outside of this process are noticed, too."""

    def __init__(self, path: Path, env: Mapping[str, str] = os.environ) -> None:
        """Take the path of the file, and the variables that placeholders name."""
        self.path = path
        self._env = env
        self._changing = threading.Lock()

    @property
    def version(self) -> str:
        """Return the version of the file as it is now; raise ``ConfigError`` where it cannot be read."""
        return self._content().version

    def read(self) -> tuple[Config, str]:
        """Return the configuration and its version; raise ``ConfigError`` with all problems."""
        content = self._content()
        return self._config(content.text), content.version

    def written(self) -> tuple[dict[str, Any], str]:
        """Return the data as it is written in the file, with placeholders and without secrets, and the version.

        Secrets are masked. A mask that ``change`` finds where it stood keeps what is written. Raise ``ConfigError``.
        """
        content = self._content()
        return masked(written_data(content.text, self.path)), content.version

    def change(self, version: str, edits: Edit | Sequence[Edit]) -> str:
        """Apply edits to the file of this version; return the new version.

        Raise ``ConfigurationChanged`` if the file has another version, ``ConfigError`` with all problems if the result
        is not valid, and ``ConfigurationReadOnly``; in each case nothing is written.
        """
        with self._changing:
            content = self._content()
            if content.version != version:
                raise ConfigurationChanged(content.version)
            text = self._edited(content.text, edits)
            self._config(text)
            if text == content.text:
                return version
            raw = text.encode("utf-8-sig" if content.marked else "utf-8")
            self._replace(version, raw)
            return _version(raw)

    def tried(self, edits: Edit | Sequence[Edit]) -> Config:
        """Return the configuration that edits would make of the file as it is; nothing is written.

        Raise ``ConfigError`` with all problems.
        """
        return self._config(self._edited(self._content().text, edits))

    def _edited(self, text: str, edits: Edit | Sequence[Edit]) -> str:
        wanted = [edits] if isinstance(edits, Edit) else list(edits)
        return edited(text, [self._unmasked(text, edit) for edit in wanted], self.path)

    def _content(self) -> ConfigText:
        raw = read_bytes(self.path)
        return ConfigText(parse_text(raw, self.path), _version(raw), raw.startswith(b"\xef\xbb\xbf"))

    def _config(self, text: str) -> Config:
        return config_of_text(text, self.path, self._env, inputs_required=True)

    def _unmasked(self, text: str, edit: Edit) -> Edit:
        if not isinstance(edit, Put):
            return edit
        written: Any = written_data(text, self.path)
        for key in edit.path:
            written = written.get(key) if isinstance(written, dict) else None
        try:
            return Put(edit.path, unmasked(edit.value, written, edit.path[-1]))
        except MaskSent as error:
            key, hint = dotted((*edit.path, *error.path)), "write the secret again, or {NAME} for a variable with it"
            raise ConfigError(
                (Problem(str(self.path), 0, key, "the mask *** stands for no secret here", hint),)
            ) from None

    def _replace(self, version: str, raw: bytes) -> None:
        """Keep the file as the previous version and write the new one in its place; raise ``ConfigurationReadOnly``."""
        file = self.path.resolve()
        try:
            for left in file.parent.glob(f".{file.name}*{PART_SUFFIX}"):  # of a process that was killed
                left.unlink(missing_ok=True)
            _write_beside(file, file.with_name(file.name + PREVIOUS), file.read_bytes())
            with replacing(file, private=True) as part:
                part.write_bytes(raw)
                _copy_rights(file, part)
                if (now := self.version) != version:  # another editor was faster, by less than the time to write
                    raise ConfigurationChanged(now)
        except OSError as error:
            raise ConfigurationReadOnly(f"{file} cannot be replaced: {error.strerror or error}") from error


def _version(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _write_beside(file: Path, other: Path, raw: bytes) -> None:
    """Replace ``other`` by these bytes, with the permissions of ``file``."""
    with replacing(other, private=True) as part:
        part.write_bytes(raw)
        _copy_rights(file, part)


def _copy_rights(file: Path, part: Path) -> None:
    shutil.copymode(file, part)
    known = file.stat()
    with suppress(PermissionError):  # only root may give files away
        os.chown(part, known.st_uid, known.st_gid)
