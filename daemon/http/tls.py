"""The certificate and key of HTTPS: checked before the daemon starts, reloaded when they change."""

import ssl
from pathlib import Path
from typing import NoReturn

import structlog

from daemon.config.errors import UnusableSetting

log = structlog.get_logger()


class TlsFilesError(UnusableSetting):
    """The TLS certificate or its key cannot be read, or the two do not belong together."""

    code = "http_tls_invalid"
    remedy = "set http.tls to PEM files that the daemon's user can read: the certificate with its chain, and its key"


class TlsFiles:
    """A certificate and its key, and the SSL context made from them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both; raise ``TlsFilesError``."""
        self._certificate, self._key = certificate, key
        self._stamp = self._stamps()
        self.context = self._loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def refresh(self) -> None:
        """Reload files that have changed, for new connections; keep the old certificate if the new one is unusable."""
        stamp = self._stamps()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # a wrong pair would spoil the context in use
            self._loaded(self.context)
            log.info("certificate reloaded", certificate=str(self._certificate))
        except TlsFilesError as error:
            log.error("the new certificate is unusable; the old one is kept", error=str(error))

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for path in (self._certificate, self._key):
            try:
                path.read_bytes()
            except OSError as error:
                text = f"the TLS file {path} cannot be read: {error.strerror or error}"
                raise TlsFilesError(text, "check its path and rights: the daemon's user must be able to") from error
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (ssl.SSLError, _Encrypted) as error:
            text = f"{self._certificate} and {self._key} cannot be used for TLS: {_reason(error)}"
            hint = "PEM files are needed: the certificate with its chain, and its key, not encrypted"
            raise TlsFilesError(text, hint) from None
        return context


class _Encrypted(Exception):
    """The key needs a password; by default OpenSSL would ask for it on the terminal."""


def _no_password() -> NoReturn:
    raise _Encrypted


def _reason(error: Exception) -> str:
    if isinstance(error, _Encrypted):
        return "the key is encrypted"
    reason = getattr(error, "reason", None) or ""
    known = {"KEY_VALUES_MISMATCH": "the key is not the certificate's", "NO_START_LINE": "not in PEM format"}
    return known.get(reason, reason.lower().replace("_", " ") or "not in PEM format")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
