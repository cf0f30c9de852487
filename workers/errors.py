"""Errors of this package. ``docs/errors.md`` lists them with their exit codes and remedies.

Only the boundary modules (``sources/ffmpeg_errors.py``, ``publish/redis/errors.py``) turn a native library's error
into one of these.
"""

from alignment.errors import ExitCode, WatchwordError


class SourceError(WatchwordError):
    """A source cannot be opened or read."""

    code = "source_failed"
    exit_code = ExitCode.INPUT_UNREADABLE
    retryable = True
    remedy = "see the reason in brackets"


class SourceNotFound(SourceError):
    """The file, path or stream name does not exist (missing file, HTTP or RTSP status 404)."""

    code = "source_not_found"
    remedy = "check the path or the stream's name"


class SourceUnauthorized(SourceError):
    """The server rejects the credentials (status 401 or 403), or the file's permissions forbid reading."""

    code = "source_unauthorized"
    remedy = "check user name, password and access rights"


class SourceUnreachable(SourceError):
    """No connection to the source: unknown host, connection refused, or no route."""

    code = "source_unreachable"
    remedy = "check host, port and network; the connection is retried"


class SourceTimeout(SourceError):
    """The server accepted the connection but sent nothing in time, or a running stream stalled."""

    code = "source_timeout"
    remedy = "check that the stream runs, or raise the time limits"


class SourceChanged(SourceError):
    """A camera reconnected with other streams: with audio or video that it lacked before, or without."""

    code = "source_changed"
    remedy = "nothing to do: the stream is restarted"


class SourceInvalid(SourceError):
    """The input contains no video or audio that can be decoded."""

    code = "source_invalid"
    retryable = False
    remedy = "check that it plays elsewhere; copy or encode it again"


class SourceUnsupported(SourceError):
    """The input needs a protocol, format or codec that this installation lacks."""

    code = "source_unsupported"
    retryable = False
    remedy = "`watchword doctor` lists what works"


class SourceTooLarge(SourceError):
    """The input exceeds a limit: frame size, number of streams, duration, or memory."""

    code = "source_too_large"
    retryable = False
    remedy = "if the input can be trusted, raise the limit that is named, in the configuration; else encode it again"


class SourceCrashed(SourceError):
    """The decoder process ended: a defect of a decoder, or the system ran out of memory."""

    code = "source_crashed"
    retryable = False  # a file would crash it again; a live stream is retried all the same
    remedy = "see the status in brackets; encode the input again, or report the crash with the file"


class SourceRefused(SourceError):
    """The input refers to files or hosts that its source may not access."""

    code = "source_refused"
    retryable = False
    remedy = "list hosts that can be trusted in the camera's `hosts`; files are never opened"


class ClipUnavailable(SourceError):
    """No clip or frame can be made of that time: nothing of it is kept, or the source cannot make clips."""

    code = "clip_unavailable"
    retryable = False
    remedy = "nothing to do: the event is published without it"


class EvidenceUnreachable(WatchwordError):
    """The folder of `evidence.where` does not respond, or refuses."""

    code = "evidence_unreachable"
    exit_code = ExitCode.UNREACHABLE
    retryable = True
    remedy = "check the address and its credentials; pictures and clips wait in the state folder meanwhile"


class ModelUnavailable(WatchwordError):
    """A model's package or weights are missing or damaged, or its device is not available."""

    code = "model_unavailable"
    exit_code = ExitCode.USAGE
    remedy = "`watchword models list` shows what is installed, and how to install the rest"


class PublishError(WatchwordError):
    """Events cannot be published; they wait in the event log."""

    code = "publish_failed"
    exit_code = ExitCode.UNREACHABLE
    retryable = True
    remedy = "see the server's log; events wait in the event log"


class EventLogError(WatchwordError):
    """The event log cannot store an event, or cannot be opened."""

    code = "event_log_failed"
    retryable = True
    remedy = "check the disk and the rights of the state folder"


class EventLogFull(EventLogError):
    """The event log reached its size limit, or the disk is full."""

    code = "event_log_full"
    remedy = "make Redis reachable again, free disk space, or raise the size limit"


class IndexDamaged(WatchwordError):
    """A shard of the index is damaged, or is no shard."""

    code = "index_damaged"
    remedy = "remove the file: what it held cannot be searched any more; everything else can"


class ClusterUnreachable(WatchwordError):
    """The Ray cluster to join does not respond, or this machine is not one of its nodes."""

    code = "ray_unreachable"
    exit_code = ExitCode.UNREACHABLE
    retryable = True
    remedy = "check ray.address and `ray status`; `ray start --address=HOST:PORT` makes this machine a node"


class ServiceLost(WatchwordError):
    """A service does not respond, or was lost while it processed a request."""

    code = "service_lost"
    retryable = True
    remedy = "nothing to do: the service or the stream is restarted; the log says why"


class ServiceUnresponsive(ServiceLost):
    """A service accepted a request and does not respond. Repeating the request would not help: the stream restarts."""

    code = "service_unresponsive"
    remedy = "if the restarted stream reports this again, restart Watchword"


class SessionLost(ServiceLost):
    """A service no longer has a session: the service was restarted, or the session was idle for too long."""

    code = "session_lost"
    remedy = "nothing to do: the session is opened again"


class ServiceDied(ServiceLost):
    """The process of a service ended; it is restarted."""

    code = "service_died"
    remedy = "nothing to do: the service is restarted; the log says why it ended"


class Overloaded(WatchwordError):
    """The machine has more work than it can process: a request for a live frame was not served in time."""

    code = "overloaded"
    remedy = "use fewer cameras, a lower `fps`, a smaller model, or a faster machine"
