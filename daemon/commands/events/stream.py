"""The stream that ``watchword events`` reads: of a configuration, of a server, or of the embedded server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.config import load_config
from daemon.service.state_folder import require_known
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.errors import RedisUnreachable
from workers.publish.redis.reader import EventReader
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

CONFIG, STREAM, STATE = Path("config.yaml"), "watchword:events", Path(".watchword")


@dataclass(frozen=True, slots=True)
class Where:
    """The stream to read, on the server at ``url`` or on the embedded server of ``state_dir``."""

    url: RedactedUrl | None
    stream: str
    state_dir: Path
    cluster: bool = False

    def running(self) -> RedactedUrl:
        """Return the URL of the server, password included; raise ``RedisUnreachable`` if the embedded one is not up."""
        if self.url is not None:
            return self.url
        require_known(self.state_dir)
        found = EmbeddedServer.discover(self.state_dir)
        if found is None:
            hint = "start `watchword run`, or name a configuration, a server (--redis) or a folder (--state-dir)"
            raise RedisUnreachable(f"no embedded server runs for {self.state_dir}", hint)
        return RedactedUrl(found)


def where(config: Path | None, url: str | None, stream: str | None, state_dir: Path | None) -> Where:
    """Return what to read: ``config``; without it what the other options name; without any the folder's ``CONFIG``."""
    if config is None and url is None and state_dir is None and CONFIG.is_file():
        config = CONFIG
    if config is None:
        named = None if url in (None, "embedded") else RedactedUrl(str(url))
        return Where(named, stream or STREAM, state_dir or STATE)
    loaded = load_config(config, inputs_required=False)
    there = None if loaded.redis.url == RedactedUrl("embedded") else loaded.redis.url
    return Where(there, stream or loaded.redis.stream, loaded.state_dir, loaded.redis.cluster)


@contextmanager
def reading(where: Where) -> Iterator[EventReader]:
    """Yield a reader of the running server."""
    reader = EventReader(RedisSettings(where.running(), where.stream, cluster=where.cluster))
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def reading_kept(where: Where) -> Iterator[EventReader]:
    """Yield a reader. An embedded server that does not run is started while it is read, if it has kept events."""
    kept = (StateLayout(where.state_dir).redis / "appendonlydir").is_dir()
    if where.url or not kept or EmbeddedServer.discover(where.state_dir):
        with reading(where) as reader:
            yield reader
        return
    require_known(where.state_dir)
    with EmbeddedServer(where.state_dir, brief=True) as url, reading(replace(where, url=RedactedUrl(url))) as reader:
        yield reader
