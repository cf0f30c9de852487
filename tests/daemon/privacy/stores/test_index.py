"""Of the index an interval of a camera is forgotten, uploads as a whole; what is old or too much goes."""

import os
import time
from dataclasses import replace
from pathlib import Path

from daemon.privacy.kinds import kind_of_file
from daemon.privacy.stores.index import IndexData
from daemon.privacy.stores.store import Limits, Places
from tests.support.recorded.index import TAPE, UPLOAD, random_items
from workers.events.erasures import Scope
from workers.index.packing import packed, sizes
from workers.index.reader import IndexReader
from workers.index.records import Part, part_to_bytes
from workers.index.tables import joined
from workers.index.types import ShardInfo, TapeInfo
from workers.index.writer import OpenShard, compact
from workers.state_layout import StateLayout

DAY = 86_400.0
NOW = time.time()


def places(root: Path) -> Places:
    return Places(StateLayout(root), None, False, lambda ids, before: 0)


def shard(root: Path, start: float, tape: TapeInfo = TAPE, key: str = "a", full: bool = True) -> Path:
    """Write a shard of about half a minute."""
    tape = replace(tape, key=key, recorded=start)
    written = OpenShard(StateLayout(root).index / tape.camera, ShardInfo(tape), start)
    items = random_items(int(start) % 97, 40, start if tape.live else 0.0, tape)
    written.append(part_to_bytes(Part(0, joined([packed(item) for item in items], sizes(tape)))))
    written.close()
    os.utime(written.path, (start + 30, start + 30))  # a file was watched until then
    path = compact(written.path, closed=True) if full else written.path
    assert path is not None
    assert kind_of_file(path.relative_to(root)).name == "index"  # type: ignore[union-attr]  # None fails as well
    return path


def test_an_interval_of_a_camera_is_forgotten_and_uploads_are_whole(tmp_path: Path) -> None:
    data, start = IndexData(places(tmp_path)), NOW - 5 * DAY
    near, open_one, far = (
        shard(tmp_path, start),
        shard(tmp_path, start, key="b", full=False),
        shard(tmp_path, start + 3600, key="c"),
    )
    upload, other = shard(tmp_path, start, UPLOAD), shard(tmp_path, start + 60, UPLOAD, "b")
    untouched = far.read_bytes()
    scope = Scope("cam", start + 5, start + 15)
    items = data.items(scope, frozenset())
    assert len(items) == 2
    data.remove(items)
    assert data.items(scope, frozenset()) == []
    assert far.read_bytes() == untouched
    left = {s.path: s for s in IndexReader(StateLayout(tmp_path).index).shards({"cam"})}
    for path in (near, open_one):
        assert left[path].missing > 3
        assert not ((left[path].t >= scope.since) & (left[path].t <= scope.until)).any()
        assert len(left[path].t) > 10
    data.remove(data.items(Scope("uploads", start + 1, start + 10), frozenset()))
    assert (upload.exists(), other.exists()) == (False, True)
    (mark,) = upload.parent.glob("*.forgotten")
    assert kind_of_file(mark.relative_to(tmp_path)).name == "receipts"  # type: ignore[union-attr]  # as above
    data.remove(data.items(Scope("cam", 0, NOW), frozenset()))
    assert not near.exists()
    assert not far.exists()
    assert data.event_ids(scope) == set()


def test_a_damaged_shard_of_the_interval_is_removed(tmp_path: Path) -> None:
    data, path = IndexData(places(tmp_path)), shard(tmp_path, NOW - DAY)
    path.write_bytes(path.read_bytes()[:500])
    data.remove(data.items(Scope("cam", NOW - DAY, NOW - DAY + 3), frozenset()))
    assert not path.exists()


def test_old_shards_go_and_then_the_oldest_of_too_many(tmp_path: Path) -> None:
    data = IndexData(places(tmp_path))
    old, middle, young = (shard(tmp_path, NOW - n * DAY, key=str(n)) for n in (40, 20, 1))
    upload, growing = shard(tmp_path, NOW - 30 * DAY, UPLOAD), shard(tmp_path, NOW - 41 * DAY, key="x", full=False)
    assert data.expire(Limits(None)) == 0
    assert data.expire(Limits(NOW - 35 * DAY)) == 1
    assert not old.exists()
    room = middle.stat().st_size + young.stat().st_size + growing.stat().st_size
    assert data.expire(Limits(None, room)) == 1
    assert not upload.exists()
    assert data.expire(Limits(None, young.stat().st_size + growing.stat().st_size)) == 1
    assert (middle.exists(), young.exists(), growing.exists()) == (False, True, True)


def test_nothing_stored_is_nothing_to_forget(tmp_path: Path) -> None:
    data = IndexData(places(tmp_path))
    assert data.items(Scope("cam", 0, NOW), frozenset()) == []
    assert data.expire(Limits(NOW, 1)) == 0
