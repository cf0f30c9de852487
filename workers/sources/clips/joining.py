"""Join parts of files to one video without encoding them again, as far as their tracks are alike.

As a process of its own, for files may be hostile: ``python -m workers.sources.clips.joining FOLDER`` reads an ``Order``
as JSON from stdin, writes ``0.mp4``, ``1.mp4`` … into the folder, one for all parts whose tracks are alike, and prints
the ``Joined`` as JSON.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from alignment.errors import WatchwordError
from alignment.file_io import replacing
from workers.redaction import RedactedUrl
from workers.rlimits import confine
from workers.sources.clips.coded import CodedPacket, OpenTracks, Recording, Tracks, open_tracks
from workers.sources.clips.encode import encode
from workers.sources.clips.from_file import record_file
from workers.sources.clips.making import look_of, must_be_encoded
from workers.sources.clips.remux import remux
from workers.sources.url import parse_target
from workers.types import CameraSpec, MediaLimits

MAX_BYTES = 256 << 20  # of all parts together: they are in memory at once
LONGEST_S = 3600.0
FRAME_S = 0.04  # how long the last frame of a part of one frame is shown
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, from the key frame before ``start`` to ``end``, seconds from its beginning."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Order:
    """What to join. ``blur_faces`` needs all parts to be encoded; ``h264``: those that are no H.264."""

    parts: tuple[Part, ...]
    blur_faces: bool = False
    h264: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """Where in a video a part is shown: its number in the order, when it begins, and for how long, seconds."""

    part: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Joined:
    """The parts of each video, and by number why others are in none."""

    videos: tuple[tuple[Shown, ...], ...]
    failed: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The packets of one part. Videos can follow each other if ``video`` is equal, and ``audio`` likewise."""

    number: int
    recording: Recording
    video: tuple[object, ...]
    audio: tuple[object, ...]


def join(order: Order, folder: Path) -> Joined:
    """Write the videos ``0.mp4``, ``1.mp4`` … into a folder; parts keep their order."""
    groups: dict[tuple[object, ...], list[_Piece]] = {}
    failed, size = dict[int, str](), 0
    for number, part in enumerate(order.parts):
        try:
            piece = _piece(number, part, order, folder)
        except (WatchwordError, ValueError, OSError) as error:
            failed[number] = str(error)
            continue
        size += sum(len(p.data) for p in piece.recording.packets)
        if size > MAX_BYTES:
            failed |= dict.fromkeys(
                range(number, len(order.parts)), f"the video would be larger than {MAX_BYTES} bytes"
            )
            break
        groups.setdefault(piece.video, []).append(piece)
    videos = []
    for name, pieces in enumerate(groups.values()):
        recording, shown = _in_a_row(pieces)
        with open_tracks(recording.tracks) as tracks:
            content = remux(recording, tracks, "")
        with replacing(folder / f"{name}.mp4", private=True, sync=False) as target:
            target.write_bytes(content)
        videos.append(shown)
    return Joined(tuple(videos), failed)


def _piece(number: int, part: Part, order: Order, folder: Path) -> _Piece:
    url = RedactedUrl(part.path)
    camera = CameraSpec("clip", url, blur_faces=order.blur_faces)
    recording = _up_to(part.end, record_file(camera, parse_target(url), part.start, part.end))
    with open_tracks(recording.tracks) as tracks:
        other = order.h264 and tracks.video is not None and tracks.video.codec_context.name != "h264"
        if not other and not must_be_encoded(recording, tracks, camera):
            return _Piece(number, recording, _video_key(recording.tracks, tracks), _audio_key(tracks))
        first = max(part.start, min(p.t for p in recording.packets))
        content = encode(recording, tracks, look_of(camera), first, "")
    with replacing(folder / "encoded.mp4", private=True, sync=False) as target:
        target.write_bytes(content)
    again = Part(str(folder / "encoded.mp4"), 0.0, LONGEST_S)
    return _piece(number, again, Order(()), folder)


def _up_to(end: float, recording: Recording) -> Recording:
    """Return a recording without what is decoded after the last frame until ``end``."""
    wanted = [i for i, p in enumerate(recording.packets) if p.is_video and p.t <= end]
    if not wanted:
        return recording
    last = wanted[-1]
    return replace(recording, packets=[p for i, p in enumerate(recording.packets) if i <= last or not p.is_video])


def _video_key(described: Tracks, tracks: OpenTracks) -> tuple[object, ...]:
    if tracks.video is None:
        return ("sound only",)
    context = tracks.video.codec_context
    return (context.name, context.extradata, context.width, context.height, described.pix_fmt)


def _audio_key(tracks: OpenTracks) -> tuple[object, ...]:
    if tracks.audio is None:
        return ()
    context = tracks.audio.codec_context
    return (context.name, context.extradata, context.sample_rate, context.layout.name)


def _in_a_row(pieces: Sequence[_Piece]) -> tuple[Recording, tuple[Shown, ...]]:
    """Return the packets of alike pieces one after the other; audio that is unlike the first one is left out."""
    heard = next((piece for piece in pieces if piece.audio), pieces[0])
    packets, shown, at = list[CodedPacket](), list[Shown](), 0.0
    for piece in pieces:
        moved = list(_moved(piece, piece.audio == heard.audio, at))
        seconds = _extent(piece.recording)[1]
        packets += moved
        shown.append(Shown(piece.number, round(at, 3), round(seconds, 3)))
        at += seconds
    return Recording(heard.recording.tracks, packets), tuple(shown)


def _moved(piece: _Piece, with_audio: bool, at: float) -> Iterator[CodedPacket]:
    """Yield the packets of a piece that begins at second ``at``; audio outside its video is left out."""
    base, seconds = _extent(piece.recording)
    for packet in piece.recording.packets:
        if packet.is_video or (with_audio and base <= packet.t < base + seconds):
            yield packet._replace(t=packet.t - base + at, decode_t=packet.decode_t - base + at)


def _extent(recording: Recording) -> tuple[float, float]:
    """Return when a recording begins and for how long it lasts, seconds: as long as its video, if it has any."""
    times = sorted(p.t for p in recording.video or recording.audio)
    step = median([b - a for a, b in pairwise(times)] or [FRAME_S])
    return times[0], times[-1] - times[0] + step


def main() -> None:
    """Join what stdin orders."""
    folder = Path(sys.argv[1])
    given = json.load(sys.stdin)
    order = Order(tuple(Part(**part) for part in given.pop("parts")), **given)
    confine(MediaLimits().memory_mib)
    os.nice(NICENESS)
    json.dump(asdict(join(order, folder)), sys.stdout)


if __name__ == "__main__":
    main()
