"""The boundary to redis-py: what its errors mean, and what to do about each. Credentials never pass."""

from itertools import chain

from redis import exceptions as native

from workers.errors import PublishError
from workers.redaction import RedactedUrl


class RedisUnreachable(PublishError):
    """No connection: unknown host, refused, cut, TLS handshake failed."""

    code = "redis_unreachable"


class RedisTimeout(PublishError):
    """Connected, but no answer in time."""

    code = "redis_timeout"


class RedisUnauthorized(PublishError):
    """Wrong user or password, or the user lacks a right."""

    code = "redis_unauthorized"


class RedisFull(PublishError):
    """The server is out of memory, or cannot write to its own disk."""

    code = "redis_full"


class RedisReadOnly(PublishError):
    """The server is a replica."""

    code = "redis_read_only"


class RedisLoading(PublishError):
    """The server has just started and still reads its data, or is busy or leaderless."""

    code = "redis_loading"


class RedisMisused(PublishError):
    """The address or the stream cannot be right."""

    code = "redis_misused"
    retryable = False


# What a caller catches around a client's calls; redis-py's cluster error is none of its other errors' kin.
NATIVE_ERRORS = (native.RedisError, native.RedisClusterException, OSError)

_Meaning = tuple[type[PublishError], str]
_UNREACHABLE: _Meaning = (RedisUnreachable, "start the server, or check redis.url and the network; events wait")
_NO_RIGHT: _Meaning = (RedisUnauthorized, "give the user the rights listed in workers/publish/redis_settings.py")
_NO_ENTRY: _Meaning = (RedisUnauthorized, "check user and password in redis.url")
_READ_ONLY: _Meaning = (RedisReadOnly, "point redis.url to the primary; events wait in the spool")
_URL: _Meaning = (RedisMisused, "redis.url looks like redis://user:password@host:6379/0, rediss://… or unix:///path")

# First match wins: redis-py derives authentication and loading errors from its ConnectionError.
_BY_TYPE: tuple[tuple[type[Exception], _Meaning], ...] = (
    (native.OutOfMemoryError, (RedisFull, "raise its maxmemory, or lower redis.maxlen; events wait in the spool")),
    (native.ReadOnlyError, _READ_ONLY),
    (native.MasterDownError, _READ_ONLY),
    (native.NoPermissionError, _NO_RIGHT),
    (native.AuthenticationError, _NO_ENTRY),
    (native.AuthorizationError, _NO_ENTRY),
    (native.BusyLoadingError, (RedisLoading, "wait: it is reading its data")),
    (native.ClusterDownError, (RedisLoading, "the cluster is not whole; events wait in the spool")),
    (native.MovedError, (RedisMisused, "this server is part of a cluster: set redis.cluster: true")),
    (native.TimeoutError, (RedisTimeout, "check the server's load and the network; events wait in the spool")),
    (native.ConnectionError, _UNREACHABLE),
    (native.RedisClusterException, _UNREACHABLE),
    (OSError, _UNREACHABLE),
    (ValueError, _URL),
)

# Answers that redis-py has no class for, by a part of their text; the two about rights are Valkey's and Redis'.
_BY_TEXT: tuple[tuple[str, _Meaning], ...] = (
    ("MISCONF", (RedisFull, "the server cannot write to its disk: free space there; events wait in the spool")),
    ("NOREPLICAS", (RedisLoading, "the server waits for its replicas; events wait in the spool")),
    ("WRONGTYPE", (RedisMisused, "the key in redis.stream holds something else: choose another name")),
    ("ACL failure in script", _NO_RIGHT),
    ("executing the script can't run this command", _NO_RIGHT),
    ("BUSY", (RedisLoading, "another script keeps the server busy; events wait in the spool")),
)


def publish_error(error: Exception, url: RedactedUrl) -> PublishError:
    """Return ours for redis-py's error, a socket's, or a wrong URL's; ``url`` is the server's."""
    text = url.scrub(str(error)) or type(error).__name__
    kind, hint = _meaning(error)
    return kind(f"Redis at {url}: {text}", hint)


def _meaning(error: Exception) -> _Meaning:
    by_type = (meaning for cause, meaning in _BY_TYPE if isinstance(error, cause))
    by_text = (meaning for text, meaning in _BY_TEXT if text in str(error))
    return next(chain(by_type, by_text), (PublishError, "see the server's log; events wait in the spool"))
