"""Streams in the index, written without a stream: by the writer of the index, shard by shard."""

from collections.abc import Sequence
from pathlib import Path

from workers.index.packing import packed, rounded, sizes
from workers.index.records import Part, part_to_bytes
from workers.index.tables import joined
from workers.index.types import ShardInfo, TapeInfo
from workers.index.writer import OpenShard, compact
from workers.items import FrameAnswer, StreamItem


def write_stream(folder: Path, tape: TapeInfo, items: Sequence[StreamItem], each: int = 500) -> list[StreamItem]:
    """Write a stream into the index ``folder`` in shards of ``each`` items; return the items as they are stored."""
    for number, first in enumerate(range(0, len(items), each)):
        own = items[first : first + each]
        since = next((item.start_s for item in own if isinstance(item, FrameAnswer)), 0.0) if tape.live else 0.0
        shard = OpenShard(folder / tape.camera, ShardInfo(tape, number, first), since or tape.recorded)
        shard.append(part_to_bytes(Part(first, joined([packed(item) for item in own], sizes(tape)))))
        shard.sync()
        shard.close()
        compact(shard.path, closed=True)
    return [rounded(item, tape) for item in items]
