"""The window that an aligner reads around a proposal: the clips of its stream, as when the stream was decided on."""

from collections.abc import Iterator, Sequence

import numpy as np

from alignment.types import F32, Detections, FeatureWindow
from alignment.windows import ClipWindow
from daemon.search.proposing import Proposal
from workers.decisions.segments import StreamShape
from workers.index import rounding
from workers.index.shard import Shard
from workers.types import SourceInfo

BEFORE, AFTER = 40, 16  # clips; an aligner's memory reaches back, not ahead


def window_around(proposal: Proposal) -> FeatureWindow:
    """Return the window around a proposal's best row, of its stream and segment."""
    tape = proposal.shard.info.tape
    since = proposal.peak - BEFORE * tape.hop_s
    until = proposal.peak + AFTER * tape.hop_s
    source = SourceInfo(tape.key, tape.live, tape.has_video, tape.has_audio)
    window = StreamShape(source, tape.hop_s, tape.keyframes, tape.dims).window()
    shards = [s for s in _beside(proposal.shards, proposal.at) if s.end >= since and s.start <= until]
    segment = _segment_at(proposal.shard, proposal.peak)
    for shard in shards:
        for t, feature, objects in _frames(shard, since, until, segment):
            window.add_frame(t, feature, objects)
    if not len(window):  # there is audio only
        window.start_at(max(since, shards[0].start))
        window.fill_until(until)
    for shard in shards:
        _add_audio(window, shard, since, until)
    return window.features()


def _beside(shards: Sequence[Shard], at: int) -> list[Shard]:
    """Return a shard and those beside it, in order, as far as they are of the same stream."""
    key = shards[at].info.tape.key
    return [shard for shard in shards[max(0, at - 1) : at + 2] if shard.info.tape.key == key]


def _segment_at(shard: Shard, t: float) -> int | None:
    """Return the segment of the frame nearest to stream second ``t``; None without frames."""
    if not len(shard.t):
        return None
    after = int(np.searchsorted(shard.t, t))
    near = [i for i in (after - 1, after) if 0 <= i < len(shard.t)]
    return int(shard.segment[min(near, key=lambda i: abs(float(shard.t[i]) - t))])


def _frames(
    shard: Shard, since: float, until: float, segment: int | None
) -> Iterator[tuple[float, F32, Detections | None]]:
    """Yield the frames of a segment between two stream seconds: their times, features and objects."""
    columns, (first, last) = shard.columns, np.searchsorted(shard.t, [since, until])
    part = slice(int(first), int(last))
    times, segments = np.asarray(shard.t[part]), shard.segment[part]
    features = rounding.rows_of(columns["frames"][part], columns["scale"][part])
    objects: Sequence[Detections | None] = [None] * len(times)
    if shard.info.tape.detects:
        counts = columns["objects"][part]
        before = int(columns["objects"][: part.start].sum())
        found = slice(before, before + int(counts.sum()))
        names = ("object_class", "object_logit", "object_box", "object_colours")
        objects = list(rounding.padded(counts, rounding.object_rows(*(columns[name][found] for name in names))))
    for t, feature, seen, own in zip(times, features, objects, segments, strict=True):
        if own == segment:
            yield float(t), feature, seen


def _add_audio(window: ClipWindow, shard: Shard, since: float, until: float) -> None:
    """Add what was heard and said between two stream seconds."""
    columns = shard.columns
    start, counts = columns["sound_start"], columns["sound_classes"]
    first, last = (int(i) for i in np.searchsorted(start, [since, until]))
    if last > first:
        before = int(counts[:first].sum())
        heard = slice(before, before + int(counts[first:last].sum()))
        end = rounding.ends(start[first:last], columns["sound_length"][first:last])
        p = rounding.sound_rows(counts[first:last], columns["heard_class"][heard], columns["heard_p"][heard])
        window.add_sound(np.stack([start[first:last], end], axis=1), p)
    said = (columns["said_end"] > since) & (columns["said_start"] < until)
    features = rounding.rows_of(columns["speech"][said], columns["speech_scale"][said])
    for begin, finish, feature in zip(columns["said_start"][said], columns["said_end"][said], features, strict=True):
        window.add_speech(float(begin), float(finish), feature)
