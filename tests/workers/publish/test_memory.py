from publish_kit import make_event

from workers.publish.base import Sink
from workers.publish.memory import MemorySink


def test_each_revision_once_in_order() -> None:
    sink = MemorySink()
    as_protocol: Sink = sink
    first, second, third = make_event(1), make_event(2), make_event(1, revision=1)
    assert [r.entry for r in as_protocol.publish([first, second])] == ["1-0", "2-0"]
    again, new = as_protocol.publish([second, third])
    assert (again.entry, again.duplicate) == ("2-0", True)
    assert (new.entry, new.revision, new.duplicate) == ("3-0", 1, False)
    assert sink.events == (first, second, third)
    assert (sink.snapshot().published, sink.snapshot().duplicates) == (3, 1)
    assert as_protocol.flush(0)
    as_protocol.close()
    assert sink.events == (first, second, third)
