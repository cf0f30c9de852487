"""Events in former streams of the embedded server: under another name, or from before another server was used."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from daemon.privacy.stores.store import Places
from workers.errors import PublishError
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.eraser import stream_names
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout


def holds_events(layout: StateLayout) -> bool:
    """Return whether the state folder contains data of the embedded server."""
    return any(layout.redis_events.glob("*"))


@contextmanager
def reached(places: Places, sweep: bool = False) -> Iterator[Places]:
    """Yield the places with all streams of the embedded server, which is started for it where it is not in use.

    ``sweep``: remove its data if it is not in use and holds no event any more, for who holds the state folder.
    Raise ``PublishError``.
    """
    if places.embedded and places.redis is not None:
        yield replace(places, former=_streams(places.redis, places.redis.stream))
    elif holds_events(places.layout):
        server = EmbeddedServer(places.layout.root, brief=True)
        try:
            settings = RedisSettings(RedactedUrl(_started(server, places)))
            used = places.redis if places.redis and places.redis.url == settings.url else None
            yield replace(places, former=_streams(settings, used.stream if used else ""))
            if sweep and server.is_own and not stream_names(settings):
                shutil.rmtree(places.layout.redis_events)
        finally:
            server.stop()
    else:
        yield places


def _streams(settings: RedisSettings, but: str = "") -> tuple[RedisSettings, ...]:
    """Return all streams of the embedded server, which nothing else uses."""
    return tuple(replace(settings, stream=name) for name in stream_names(settings) if name != but)


def _started(server: EmbeddedServer, places: Places) -> str:
    try:
        return server.start()
    except PublishError as error:
        if places.redis is None:  # it is the one in use
            raise
        text = f"redis.url names another server, but the embedded server's events lie here too: {error.message}"
        hint = f"{error.hint}; or, if these events are no longer needed, delete {places.layout.redis_events}"
        raise PublishError(text, hint) from error
