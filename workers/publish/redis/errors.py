"""The boundary to redis-py: its errors as ours, each with a remedy. No error contains credentials."""

from itertools import chain

from redis import exceptions as native

from alignment.errors import ExitCode
from workers.errors import PublishError
from workers.redaction import RedactedUrl


class RedisUnreachable(PublishError):
    """No connection to Redis: unknown host, connection refused or cut, or the TLS handshake failed."""

    code = "redis_unreachable"
    remedy = "start the server, or check redis.url and the network; events wait"


class RedisTimeout(PublishError):
    """Redis accepted the connection but did not respond in time."""

    code = "redis_timeout"
    remedy = "check the server's load and the network; events wait in the event log"


class RedisUnauthorized(PublishError):
    """Redis rejects the user or the password, or the user lacks a permission."""

    code = "redis_unauthorized"
    remedy = "check user and password in redis.url"


class RedisFull(PublishError):
    """Redis is out of memory, or cannot write to its own disk."""

    code = "redis_full"
    remedy = "raise its maxmemory, or lower redis.maxlen; events wait in the event log"


class RedisReadOnly(PublishError):
    """The Redis server is a replica and accepts no writes."""

    code = "redis_read_only"
    remedy = "point redis.url to the primary; events wait in the event log"


class RedisLoading(PublishError):
    """Redis is not ready: it loads its data, runs another script, or its cluster or replicas are incomplete."""

    code = "redis_loading"
    remedy = "wait until the server has loaded its data; events wait in the event log"


class RedisMisused(PublishError):
    """The address, the stream's name or the kind of server in the configuration is wrong."""

    code = "redis_misused"
    exit_code = ExitCode.USAGE
    retryable = False
    remedy = "redis.url looks like redis://user:password@host:6379/0, rediss://… or unix:///path"


# What a caller catches around a client's calls; redis-py's cluster error is none of its other errors' kin.
NATIVE_ERRORS = (native.RedisError, native.RedisClusterException, OSError)

_Meaning = tuple[type[PublishError], str]  # an empty hint: the remedy of the class
_UNREACHABLE: _Meaning = (RedisUnreachable, "")
_NO_RIGHT: _Meaning = (RedisUnauthorized, "give the user the rights listed in workers/publish/redis/client.py")
_NO_ENTRY: _Meaning = (RedisUnauthorized, "")
_READ_ONLY: _Meaning = (RedisReadOnly, "")

# First match wins: redis-py derives authentication and loading errors from its ConnectionError.
_BY_TYPE: tuple[tuple[type[Exception], _Meaning], ...] = (
    (native.OutOfMemoryError, (RedisFull, "")),
    (native.ReadOnlyError, _READ_ONLY),
    (native.MasterDownError, _READ_ONLY),
    (native.NoPermissionError, _NO_RIGHT),
    (native.AuthenticationError, _NO_ENTRY),
    (native.AuthorizationError, _NO_ENTRY),
    (native.BusyLoadingError, (RedisLoading, "")),
    (native.ClusterDownError, (RedisLoading, "the cluster is not whole; events wait in the event log")),
    (native.MovedError, (RedisMisused, "this server is part of a cluster: set redis.cluster: true")),
    (native.TimeoutError, (RedisTimeout, "")),
    (native.ConnectionError, _UNREACHABLE),
    (native.RedisClusterException, _UNREACHABLE),
    (OSError, _UNREACHABLE),
    (ValueError, (RedisMisused, "")),
)

# Answers that redis-py has no class for, by a part of their text; the two about rights are Valkey's and Redis'.
_BY_TEXT: tuple[tuple[str, _Meaning], ...] = (
    ("MISCONF", (RedisFull, "the server cannot write to its disk: free space there; events wait in the event log")),
    ("NOREPLICAS", (RedisLoading, "the server waits for its replicas; events wait in the event log")),
    ("WRONGTYPE", (RedisMisused, "the key in redis.stream holds something else: choose another name")),
    ("ACL failure in script", _NO_RIGHT),
    ("executing the script can't run this command", _NO_RIGHT),
    ("BUSY", (RedisLoading, "another script keeps the server busy; events wait in the event log")),
)


def publish_error(error: Exception, url: RedactedUrl) -> PublishError:
    """Return our error for one of redis-py, of a socket, or of a wrong URL; ``url`` is that of the server."""
    text = url.scrub(str(error)) or type(error).__name__
    kind, hint = _meaning(error)
    return kind(f"Redis at {url}: {text}", hint)


def _meaning(error: Exception) -> _Meaning:
    by_type = (meaning for cause, meaning in _BY_TYPE if isinstance(error, cause))
    by_text = (meaning for text, meaning in _BY_TEXT if text in str(error))
    return next(chain(by_type, by_text), (PublishError, ""))
