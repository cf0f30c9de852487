"""Settings of the Redis stream, and the connection.

The address carries all that a connection needs: ``redis://``, ``rediss://`` (TLS; ``?ssl_ca_certs=/path``,
``ssl_certfile``, ``ssl_keyfile``) or ``unix:///path``, with user, password and database (``address.py``).
An ACL user that publishes and reads needs no more than (for the stream ``watchword:events``)::

    ACL SETUSER watchword on >PASSWORD resetchannels resetkeys
        ~watchword:events ~{watchword:events}:id:*
        -@all +ping +evalsha +eval +xadd +get +set +xrange +xrevrange +xread

and in a cluster ``+cluster|slots +command`` besides; ``+xtrim`` for retention, ``+xdel`` for ``watchword forget``.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.events.event import Event
from workers.publish.redis.address import address_mistake
from workers.publish.redis.errors import NATIVE_ERRORS, RedisMisused, publish_error
from workers.redaction import RedactedUrl

RedisClient = redis.Redis | redis.RedisCluster


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Server and stream for events. ``maxlen``: about how many entries the stream keeps, read or unread."""

    url: RedactedUrl | Literal["embedded"]
    stream: str = "watchword:events"
    maxlen: int = 100_000
    cluster: bool = False
    timeout_s: float = 5.0
    marker_ttl_s: int = 7 * 24 * 3600  # how long a revision that is published a second time is recognised

    def __post_init__(self) -> None:
        """Refuse a stream name whose cluster slot no marker could share."""
        if not self._tagged and set(self.stream) & {"{", "}"}:
            raise RedisMisused(f"redis.stream {self.stream!r} has stray braces", "leave them out, or write {tag}rest")

    @property
    def _tagged(self) -> bool:
        before, _, rest = self.stream.partition("{")
        return "}" not in before and rest.find("}") > 0

    @property
    def address(self) -> RedactedUrl:
        """Return the server's URL; raise ``PublishError`` for an embedded server that does not run."""
        if isinstance(self.url, str) or self.url.reveal() == "embedded":
            raise RedisMisused("the embedded server has no address before it runs", "start EmbeddedServer, use its url")
        return self.url

    def marker(self, event: Event) -> str:
        """Return the key that remembers a published revision; in a cluster it lies in the stream's slot.

        Type, start and end are part of the key: a file whose processing was stopped has published an early end; when
        it is processed again, a different revision of the same number is published as well.
        Redis hashes a key by the text in its first braces, else the whole key (Redis cluster specification).
        Markers outlive erased events, so they contain a hash and neither id nor time.
        """
        prefix = self.stream if self._tagged else f"{{{self.stream}}}"
        published = f"{event.id}:{event.revision}:{event.type}:{event.start}:{event.end}"
        return f"{prefix}:id:{hashlib.sha256(published.encode()).hexdigest()[:32]}"


def connect(settings: RedisSettings) -> RedisClient:
    """Return a client that never retries by itself (a lost response would add an event twice).

    Standalone servers are contacted by the first command, a cluster at once. Raise ``PublishError``.
    """
    url = settings.address
    if mistake := address_mistake(url):
        raise RedisMisused(f"Redis at {url}: {mistake}")
    options = {
        "socket_timeout": settings.timeout_s,
        "socket_connect_timeout": settings.timeout_s,
        "decode_responses": True,
        "encoding_errors": "replace",
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        if settings.cluster:
            return redis.RedisCluster.from_url(url.reveal(), **options)
        return redis.Redis.from_url(url.reveal(), **options)
    except (*NATIVE_ERRORS, ValueError) as error:
        raise publish_error(error, url) from None
