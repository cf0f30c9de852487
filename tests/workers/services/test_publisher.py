from pathlib import Path

import pytest

from tests.support.events import make_event
from tests.support.recorded.event_log import change, opened
from tests.support.serving.redis import settings_of
from workers.errors import EventLogError
from workers.publish.log.records import checksum, to_row
from workers.services.publisher import open_publisher


def test_a_publisher_that_cannot_be_opened_leaves_the_log_to_the_next_attempt(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        log.append([make_event(1)])
        (record,) = reader.next(9)
    *head, _, _ = to_row(record)
    change(tmp_path, "UPDATE events SET body = '{}', checksum = ?", checksum((*head, "{}")))
    for _ in range(2):
        with pytest.raises(EventLogError, match="another version"):
            open_publisher(settings_of("redis://127.0.0.1:1/0"), tmp_path)
