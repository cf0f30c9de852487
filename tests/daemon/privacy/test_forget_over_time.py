"""An event that a rule over time has made on one camera is forgotten with a part of another camera."""

from pathlib import Path

import pytest

from daemon.privacy.forgetting import forget
from daemon.privacy.stores.store import Places
from tests.support.events import make_live
from workers.events.erasures import Scope
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.reader import EventFilter, EventReader
from workers.publish.redis.sink import RedisSink
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

pytestmark = pytest.mark.process


def test_in_the_log_and_in_redis(tmp_path: Path) -> None:
    layout = StateLayout(tmp_path / "state")
    part = {"id": "p", "camera": "yard", "event": "dog", "start": 1030.0, "end": 1031.0, "score": 0.5}
    made = make_live(1, camera="gate", event="bark", start=1000.0, end=1031.0, parts=[part], cameras=["gate", "yard"])
    other = make_live(2, camera="gate", event="person", start=1000.0, end=1010.0)
    with EmbeddedServer(layout.root) as url:
        settings = RedisSettings(RedactedUrl(url))
        sink = RedisSink(settings, EventLog(layout.event_log))
        sink.publish([made, other])
        assert sink.flush(20)
        places = Places(layout, settings, True, sink.erase)
        forget(places, Scope("yard", 1029.0, 1040.0), pause_s=0.0)
        reader = EventReader(settings)
        assert [found.event.id for found in reader.newest_first(EventFilter())] == [other.id]
        reader.close()
        sink.close()
