"""Choose the packets of a clip: from the key frame before its start, all of the same tracks."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from workers.sources.clips.coded import CodedPacket, Recording

STILL_S = 15.0  # a frame may be shown for so long, until the next one


def cut(recordings: Sequence[Recording], start: float, end: float) -> Recording | None:
    """Return the packets from ``start`` to ``end``, stream seconds, of the tracks that have most of that time.

    Recordings in order of time; consecutive ones of equal tracks, as after a reconnect, are joined. None: there is
    nothing of that time.
    """
    joined = [
        Recording(tracks, [p for recording in group for p in recording.packets])
        for tracks, group in groupby(recordings, key=lambda r: r.tracks)
    ]
    found = [c for c in (_cut_one(r, start, end) for r in joined if r.tracks.described) if c.packets]
    return max(found, key=lambda r: _extent(r, start, end), default=None)


def _extent(recording: Recording, start: float, end: float) -> float:
    """Return the seconds between ``start`` and ``end`` that a recording has."""
    times = [p.t for p in recording.packets]
    return min(max(times), end) - max(min(times), start)


def _cut_one(recording: Recording, start: float, end: float) -> Recording:
    video = _video(recording.video, start, end)
    since = min((p.t for p in video), default=start)
    if video and not (video[0].t <= end and max(p.t for p in video) >= start - STILL_S):
        return replace(recording, packets=[])
    until = end if not video else max(end, video[0].t)
    kept = {id(p) for p in video} | {id(p) for p in recording.audio if since <= p.t <= until}
    return replace(recording, packets=[p for p in recording.packets if id(p) in kept])


def _video(packets: Sequence[CodedPacket], start: float, end: float) -> list[CodedPacket]:
    """Return the packets from the last entry point at or before ``start``, else from the first one."""
    entries = [i for i, p in enumerate(packets) if p.entry]
    before = [i for i in entries if packets[i].t <= start]
    first = before[-1] if before else entries[0] if entries else 0
    chosen = [p for p in packets[first:] if p.decode_t <= end]
    # Leading frames need frames before the entry point, which are not in the clip.
    return [p for p in chosen if p.t >= chosen[0].t]
