"""Errors of this package: each has a stable ``code``, says whether a retry can help, and what to do.

Only the boundary modules (``sources/native.py``, ``publish/redis_errors.py``) turn a native library's error into these.
"""

from alignment.errors import WatchwordError


class SourceError(WatchwordError):
    """A source could not be opened or read."""

    code = "source_failed"
    retryable = True


class SourceNotFound(SourceError):
    """The file, path or stream name does not exist (missing file, HTTP or RTSP 404)."""

    code = "source_not_found"


class SourceUnauthorized(SourceError):
    """The server wants other credentials (401, 403)."""

    code = "source_unauthorized"


class SourceUnreachable(SourceError):
    """No connection: unknown host, refused, no route."""

    code = "source_unreachable"


class SourceTimeout(SourceError):
    """The server accepted but sent nothing in time, or a running stream stalled."""

    code = "source_timeout"


class SourceChanged(SourceError):
    """A camera came back with sound or pictures that it did not have, or without: its stream is started anew."""

    code = "source_changed"


class SourceInvalid(SourceError):
    """The bytes are no media that can be decoded."""

    code = "source_invalid"
    retryable = False


class SourceUnsupported(SourceError):
    """Media of a kind, protocol or codec that this installation cannot read."""

    code = "source_unsupported"
    retryable = False


class SourceTooLarge(SourceError):
    """Media that asks for more than the limits allow: pictures, streams, duration, memory."""

    code = "source_too_large"
    retryable = False


class SourceCrashed(SourceError):
    """The process that decoded it ended: a defect of a decoder, or the system took its memory."""

    code = "source_crashed"
    retryable = False  # a file does it again; a live stream is tried again all the same


class SourceRefused(SourceError):
    """Media that points at files or hosts which its source has no right to."""

    code = "source_refused"
    retryable = False


class ModelUnavailable(WatchwordError):
    """A model's package or weights are missing, or its files are not what they should be."""

    code = "model_unavailable"


class PublishError(WatchwordError):
    """Events could not be handed to their store; they wait in the spool."""

    code = "publish_failed"
    retryable = True


class SpoolError(WatchwordError):
    """The spool cannot take an event (disk full, size cap, damaged beyond its last record)."""

    code = "spool_failed"
    retryable = True


class ClusterUnreachable(WatchwordError):
    """The Ray cluster that was to be joined does not answer."""

    code = "ray_unreachable"
    retryable = True


class ServiceLost(WatchwordError):
    """An actor does not answer, or was lost with a request."""

    code = "service_lost"
    retryable = True


class ServiceSilent(ServiceLost):
    """A service took a request and does not answer; asked again it would be as silent, so the stream begins anew."""

    code = "service_silent"


class SessionLost(ServiceLost):
    """A service has forgotten what it was told: it was started again, or the asker was silent for long."""

    code = "session_lost"


class ServiceDied(ServiceLost):
    """An actor's process has ended; it, or another in its place, is being started."""

    code = "service_died"


class Overloaded(WatchwordError):
    """More work than the machine can do: a live frame's turn did not come in time."""

    code = "overloaded"
