"""Map FFmpeg's errors to ours; no other module does.

FFmpeg's errors are ambiguous: a timed-out RTSP open is "invalid data", a stalled HTTP read is "exit requested", an
unknown host is "input/output error". So the mapping uses the type, the errno and the elapsed time.
"""

import errno

import av.error as ff

from workers.errors import (
    SourceChanged,
    SourceCrashed,
    SourceError,
    SourceInvalid,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTooLarge,
    SourceUnauthorized,
    SourceUnreachable,
    SourceUnsupported,
)
from workers.redaction import RedactedUrl

_NETWORK_ERRNO = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.EPIPE,
}
_UNSUPPORTED = (
    ff.ProtocolNotFoundError,
    ff.DemuxerNotFoundError,
    ff.DecoderNotFoundError,
    ff.PatchWelcomeError,
    ff.NotImplementedError,
)

_SAYS: dict[type[SourceError], str] = {
    SourceNotFound: "does not exist",
    SourceUnauthorized: "refuses these credentials",
    SourceUnreachable: "cannot be reached",
    SourceTimeout: "sent nothing usable in time",
    SourceChanged: "sends other streams than before",
    SourceInvalid: "contains no video or audio that can be decoded",
    SourceUnsupported: "needs a protocol, format or codec that is missing here",
    SourceTooLarge: "exceeds a limit",
    SourceCrashed: "made its decoder crash",
    SourceRefused: "refers to other files or hosts",
    SourceError: "could not be read",
}


def classify(error: Exception, camera: str, url: RedactedUrl, elapsed_s: float, limit_s: float | None) -> SourceError:
    """Return our error for a native one. ``limit_s``: time limit of the call that took ``elapsed_s``, if any."""
    network = url.reveal().partition("://")[0].lower() not in ("file", "webcam") and "://" in url.reveal()
    late = limit_s is not None and elapsed_s >= 0.9 * limit_s
    kind = _kind(error, network, late)
    if network and getattr(error, "errno", None) == errno.EPROTONOSUPPORT:
        return make(kind, camera, url, "the server refuses RTP over TCP and over UDP")
    return make(kind, camera, url, f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}")


def make(kind: type[SourceError], camera: str, url: RedactedUrl, reason: str) -> SourceError:
    """Return an error of ``kind`` with the camera, the redacted URL and the redacted reason."""
    return kind(f"{camera}: {url} {_SAYS[kind]} ({url.scrub(reason)})")


def _kind(error: Exception, network: bool, late: bool) -> type[SourceError]:
    if isinstance(error, ff.HTTPUnauthorizedError | ff.HTTPForbiddenError | PermissionError):
        return SourceUnauthorized
    if isinstance(error, ff.HTTPNotFoundError | FileNotFoundError | ff.FileNotFoundError):
        return SourceNotFound
    if isinstance(error, ff.HTTPServerError):
        return SourceUnreachable
    if late or isinstance(error, ff.ExitError | TimeoutError | ff.BlockingIOError):
        return SourceTimeout
    if isinstance(error, _UNSUPPORTED):
        return SourceUnsupported
    if isinstance(error, MemoryError):
        return SourceTooLarge
    number = getattr(error, "errno", None)
    if number in _NETWORK_ERRNO or (network and number == errno.EIO):
        return SourceUnreachable
    if isinstance(error, ff.InvalidDataError | EOFError | IsADirectoryError | UnicodeDecodeError):
        return SourceUnreachable if network and isinstance(error, EOFError) else SourceInvalid
    return SourceUnsupported if number in (errno.EINVAL, errno.EPROTONOSUPPORT) else SourceError
