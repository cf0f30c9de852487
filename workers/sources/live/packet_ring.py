"""The latest encoded packets of a live stream, for clips: bounded in time and in bytes, whole groups of pictures.

What is kept is a copy of what arrived anyway; nothing is decoded. It outlives connections: a clip may begin before a
reconnect and end after it.
"""

from collections import deque
from math import inf
from threading import Condition

from workers.sources.clips.coded import CodedPacket, Recording, Tracks
from workers.sources.clips.cutting import cut
from workers.sources.containers.container import Entry
from workers.types import RingLimits

OVERHEAD = 250  # bytes of memory for each packet, besides its data
JOIN_S = 10.0  # a connection without an entry point for so long is kept as it is: it may refresh its picture bit by bit
STEP_S = 5.0  # back: the clock was set, and what is kept has other times

_Kept = tuple[CodedPacket, Tracks]
"""A packet, and the tracks of its connection."""


class PacketRing:
    """Keeps at least ``limits.keep_s`` from the last entry point before it, while there are ``limits.max_bytes``.

    The source's thread adds; any other thread cuts. Times are stream seconds.
    """

    def __init__(self, limits: RingLimits) -> None:
        self._limits = limits
        self._changed = Condition()
        self._kept: deque[_Kept] = deque()
        self._entries: deque[CodedPacket] = deque()  # of video: where a clip can begin
        self._tracks = Tracks()
        self._joined_t: float | None = None  # first packet of the connection, until an entry point
        self._bytes = 0
        self._newest = -inf
        self._since = inf  # held from then on

    def begin(self, tracks: Tracks) -> None:
        """Start with a connection, whose tracks ``describe_tracks`` described."""
        with self._changed:
            self._tracks, self._joined_t = tracks, inf

    def add(self, entry: Entry, is_video: bool) -> None:
        """Keep a copy of a packet, and drop the oldest; video before a connection's first entry point is left out."""
        with self._changed:
            if is_video and self._is_before_entry(entry):
                return
            if entry.decode_t < self._newest - STEP_S:
                self._clear()
            packet = CodedPacket.of(entry, is_video)
            self._kept.append((packet, self._tracks))
            self._bytes += len(packet.data) + OVERHEAD
            if is_video and packet.entry:
                self._entries.append(packet)
            self._newest = max(self._newest, packet.decode_t)
            self._drop()
            self._changed.notify_all()

    def hold(self, since: float | None) -> None:
        """Keep everything from ``since`` on, as far as there is memory; None: only the latest."""
        with self._changed:
            self._since = inf if since is None else since

    def wait(self, until: float, timeout_s: float) -> bool:
        """Wait until packets have arrived up to ``until``; return whether they did in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._newest >= until, timeout_s)

    def cut(self, start: float, end: float) -> Recording | None:
        """Return what is kept from ``start`` to ``end``, from the entry point before; None: nothing."""
        with self._changed:
            kept = list(self._kept)
        recordings = list[Recording]()
        packets = list[CodedPacket]()
        for packet, tracks in kept:
            if not recordings or recordings[-1].tracks is not tracks:
                packets = []
                recordings.append(Recording(tracks, packets))
            packets.append(packet)
        return cut(recordings, start, end)

    @property
    def bytes(self) -> int:
        """Return the bytes of memory that are in use."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Return whether most of the memory is used, so that what is held will soon be dropped."""
        return self._bytes > 0.9 * self._limits.max_bytes

    def _clear(self) -> None:
        self._kept.clear()
        self._entries.clear()
        self._bytes, self._newest = 0, -inf

    def _is_before_entry(self, entry: Entry) -> bool:
        if self._joined_t is None:
            return False
        self._joined_t = min(self._joined_t, entry.decode_t)
        if entry.picture.is_entry or entry.decode_t - self._joined_t >= JOIN_S:
            self._joined_t = None
        return self._joined_t is not None

    def _drop(self) -> None:
        limit = min(self._newest - self._limits.keep_s, self._since)
        while len(self._entries) > 1 and self._entries[1].t <= limit:
            self._drop_until(self._entries[1])
        while not self._entries and self._kept and self._kept[0][0].t < limit:
            self._drop_first()
        while self._bytes > self._limits.max_bytes and self._kept:
            if len(self._entries) > 1:
                self._drop_until(self._entries[1])
            else:  # one group of pictures does not fit: what is left of it cannot be decoded
                self._drop_first()

    def _drop_until(self, entry: CodedPacket) -> None:
        while self._kept[0][0] is not entry:
            self._drop_first()

    def _drop_first(self) -> None:
        packet, _ = self._kept.popleft()
        self._bytes -= len(packet.data) + OVERHEAD
        if self._entries and self._entries[0] is packet:
            self._entries.popleft()
