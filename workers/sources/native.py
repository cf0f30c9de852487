"""The one place where FFmpeg's errors become ours.

FFmpeg is vague: a timed-out RTSP open says "invalid data", a stalled HTTP read says "exit requested", an
unknown host says "input/output error". So the elapsed time and the errno decide together with the type.
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

_HINTS: dict[type[SourceError], tuple[str, str]] = {
    SourceNotFound: ("does not exist", "check the path or the stream's name"),
    SourceUnauthorized: ("refuses these credentials", "check user name, password and access rights"),
    SourceUnreachable: ("cannot be reached", "check host, port and network; it is tried again"),
    SourceTimeout: ("sends nothing in time", "check that the stream runs, or raise the time limits"),
    SourceChanged: ("sends other streams than before", "its stream is started again by itself"),
    SourceInvalid: (
        "holds no video or sound that can be decoded",
        "check that it plays elsewhere; re-encode or re-copy it",
    ),
    SourceUnsupported: (
        "needs a protocol, format or codec that is missing here",
        "`watchword doctor` lists what works",
    ),
    SourceTooLarge: (
        "asks for more than is allowed",
        "raise the limit that is named, in the configuration, if it can be trusted; else re-encode it",
    ),
    SourceCrashed: ("made its decoder end", "see the status in brackets; re-encode it, or report it with the file"),
    SourceRefused: (
        "points at other files or hosts",
        "name hosts that can be trusted in the camera's `hosts`; files are never reached",
    ),
    SourceError: ("could not be read", "see the reason in brackets"),
}


def classify(error: Exception, camera: str, url: RedactedUrl, elapsed_s: float, limit_s: float | None) -> SourceError:
    """Return our error for a native one. ``limit_s`` is the time limit that ``elapsed_s`` ran under; None: no limit."""
    network = url.reveal().partition("://")[0].lower() not in ("file", "webcam") and "://" in url.reveal()
    late = limit_s is not None and elapsed_s >= 0.9 * limit_s
    kind = _kind(error, network, late)
    return make(kind, camera, url, f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}")


def make(kind: type[SourceError], camera: str, url: RedactedUrl, reason: str) -> SourceError:
    """Return an error of ``kind`` that names the camera and the redacted URL, with the reason scrubbed."""
    says, hint = _HINTS[kind]
    return kind(f"{camera}: {url} {says} ({url.scrub(reason)})", hint)


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
    return SourceUnsupported if number == errno.EINVAL else SourceError
