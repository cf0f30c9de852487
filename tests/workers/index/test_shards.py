"""Shards on disk: what was written comes back, open or full, and after a crash at any byte."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tests.support.recorded.index import TAPE, UPLOAD, alike, has_its_pictures, pictured, random_items
from workers.errors import IndexDamaged
from workers.index.packing import rounded, sizes
from workers.index.reader import IndexReader
from workers.index.records import Part, part_to_bytes, records
from workers.index.shard import read_full, read_open
from workers.index.tables import joined
from workers.index.thumbnails import picture_at
from workers.index.types import ShardInfo, TapeInfo
from workers.index.writer import OpenShard, compact
from workers.items import FrameAnswer, StreamItem, Transcript


def write(folder: Path, items: list[StreamItem], tape: TapeInfo = TAPE, info: ShardInfo | None = None) -> OpenShard:
    info = info or ShardInfo(tape)
    shard = OpenShard(folder / tape.camera, info, tape.recorded)
    for first in range(0, len(items), 5):
        columns = joined([pictured(item) for item in items[first : first + 5]], sizes(tape))
        shard.append(part_to_bytes(Part(info.first + first, columns)))
    return shard


@pytest.mark.parametrize("tape", [TAPE, UPLOAD], ids=["live", "file"])
def test_a_shard_reads_the_same_open_and_full(tmp_path: Path, tape: TapeInfo) -> None:
    items = random_items(1, tape=tape)
    written = write(tmp_path, items, tape)
    opened = read_open(written.path)
    full_path = compact(written.path, closed=True)
    assert full_path is not None
    full = read_full(full_path)
    decided = [rounded(item, tape) for item in items]
    for shard in (opened, full):
        assert shard.info == ShardInfo(tape)
        assert all(map(alike, decided, shard.items()))
        assert shard.count == len(items)
        assert (shard.missing, shard.torn) == (0, 0)
        times = np.concatenate([i.pts_s for i in decided if isinstance(i, FrameAnswer)])
        assert np.array_equal(shard.t, times)
        said = [u for i in decided if isinstance(i, Transcript) for u in i.utterances]
        assert list(shard.utterances) == said
        assert len(shard.speech) == len(said)
        assert has_its_pictures(shard)
        assert len(shard.objects.frame) == shard.columns["objects"].sum()
        assert shard.segment.tolist() == [0] * len(times)
    assert (opened.closed, full.closed) == (False, True)
    assert not written.path.exists()


def test_after_a_crash_at_any_byte_all_whole_records_are_read_and_the_rest_is_known(tmp_path: Path) -> None:
    items = random_items(2, 12)
    written = write(tmp_path, items)
    content, decided = written.path.read_bytes(), [rounded(item, TAPE) for item in items]
    whole = {len(so_far): n for n, so_far in prefixes(tmp_path / "again", items)}
    ends, torn = sorted(whole), written.path
    for size in range(len(content) + 1):
        before = [end for end in ends if end <= size]
        assert len([*records(content[:size])]) == len(before)
        if size not in whole and size % 211:
            continue
        torn.write_bytes(content[:size])
        if not before:
            with pytest.raises(IndexDamaged):
                read_open(torn)
            continue
        shard = read_open(torn)
        assert (shard.count, shard.torn, shard.closed) == (whole[before[-1]], size - before[-1], False)
        back = list(shard.items())
        assert len(back) == shard.count
        assert all(map(alike, decided[: shard.count], back))


def prefixes(folder: Path, items: list[StreamItem]) -> Iterator[tuple[int, bytes]]:
    """Yield how many items are in the file after each record, and what the file holds then."""
    shard = OpenShard(folder / TAPE.camera, ShardInfo(TAPE), TAPE.recorded)
    yield 0, shard.path.read_bytes()
    for first in range(0, len(items), 5):
        columns = joined([pictured(item) for item in items[first : first + 5]], sizes(TAPE))
        shard.append(part_to_bytes(Part(first, columns)))
        yield min(first + 5, len(items)), shard.path.read_bytes()


def test_a_damaged_record_and_lost_items_are_gaps(tmp_path: Path) -> None:
    items = random_items(3, 19)  # 20 with the end: four records
    info = ShardInfo(TAPE, number=2, first=100)
    written = write(tmp_path, items[:15], info=info)
    columns = joined([pictured(item) for item in items[15:]], sizes(TAPE))
    written.append(part_to_bytes(Part(100 + 15 + 7, columns)))  # seven never came
    content = bytearray(written.path.read_bytes())
    third = len(next(p for n, p in prefixes(tmp_path / "again", items) if n == 5))
    content[third + 30] ^= 1
    written.path.write_bytes(content)
    shard = read_open(written.path)
    assert shard.missing == 5 + 7
    assert shard.count == 27
    decided = [rounded(item, TAPE) for item in [*items[:5], *items[10:]]]
    assert all(map(alike, decided, shard.items()))
    full = compact(written.path, closed=False)
    assert full is not None
    assert (read_full(full).missing, read_full(full).closed) == (12, False)


def test_a_shard_from_before_there_were_pictures_has_none(tmp_path: Path) -> None:
    full = compact(write(tmp_path, random_items(1)).path, closed=True)
    assert full is not None
    tensors, older = load_file(full), tmp_path / "older.shard"
    with safe_open(full, "numpy") as file:
        metadata = file.metadata()
    save_file({name: rows for name, rows in tensors.items() if not name.startswith("picture")}, older, metadata)
    shard = read_full(older)
    assert all(map(alike, read_full(full).items(), shard.items()))
    assert {picture_at(shard, t) for t in shard.t.tolist()} == {None}


def test_the_reader_finds_shards_by_camera_and_time(tmp_path: Path) -> None:
    for number, start in enumerate((1000.0, 4600.0, 8200.0)):
        info = ShardInfo(TAPE, number)
        shard = OpenShard(tmp_path / "cam", info, start)
        items = random_items(number, start=start)
        columns = joined([pictured(item) for item in items], sizes(TAPE))
        shard.append(part_to_bytes(Part(0, columns)))
        if number < 2:
            compact(shard.path, closed=True)
    write(tmp_path, random_items(9, tape=UPLOAD), UPLOAD)
    reader = IndexReader(tmp_path)
    assert reader.cameras() == ("cam", "uploads")
    assert [s.info.number for s in reader.shards({"cam"})] == [0, 1, 2]
    assert [s.info.number for s in reader.shards({"cam"}, until=1010)] == [0]
    assert [s.info.number for s in reader.shards({"cam"}, since=1100)] == [1, 2]
    assert [s.info.camera for s in reader.shards(since=UPLOAD.recorded)] == ["cam", "uploads"]  # an open one may go on
    assert next(reader.shards()).frames.base is next(reader.shards()).frames.base  # it stays mapped


def test_a_damaged_shard_is_left_out(tmp_path: Path) -> None:
    shard = write(tmp_path, random_items(1))
    full = compact(shard.path, closed=True)
    assert full is not None
    content = full.read_bytes()
    reader = IndexReader(tmp_path)
    for size in (0, 7, 100, len(content) // 2):
        full.write_bytes(content[:size])
        assert list(reader.shards()) == []


def test_no_index_has_no_cameras(tmp_path: Path) -> None:
    assert IndexReader(tmp_path / "none").cameras() == ()
    assert list(IndexReader(tmp_path / "none").shards()) == []
