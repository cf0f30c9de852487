"""Items of a stream to columns, and back: what comes back is what the stream decides on (``rounding``)."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32
from workers.areas import standing_in
from workers.index import rounding
from workers.index.tables import TABLES, Columns, Flag, Kind, empty, head, spans
from workers.index.types import TapeInfo
from workers.items import (
    AudioAnalysed,
    FrameAnswer,
    FramesDropped,
    SegmentEnd,
    StreamItem,
    Transcript,
    ZoneAnswer,
)
from workers.types import SAMPLE_RATE_HZ, SoundTags, Utterance

WHOLE = dict.fromkeys(TABLES, slice(None))


def sizes(info: TapeInfo) -> dict[str, int]:
    """Return the widths of the columns of a tape."""
    return {"D": info.dims[0], "S": info.dims[1], "Z": len(info.zones)}


def packed(item: StreamItem) -> dict[str, NDArray[Any]]:
    """Return an item as columns, without those that its kind does not use."""
    if isinstance(item, FrameAnswer):
        return _frames(item)
    if isinstance(item, AudioAnalysed):
        return _audio(item)
    if isinstance(item, Transcript):
        begin = {"begin": np.array([item.start_s])}
        return head(Kind.TRANSCRIPT, item.segment, len(item.utterances)) | begin | _said(item)
    if isinstance(item, FramesDropped):
        flags = Flag.OVERLOAD if item.overload else Flag.NONE
        return head(Kind.DROPPED, item.segment, flags=flags) | {"begin": np.array([item.start_s])}
    return head(Kind.END, item.segment)


def unpacked(columns: Columns, info: TapeInfo, first: int = 0) -> Iterator[StreamItem]:
    """Yield the items from the ``first`` on, without gaps."""
    places, kinds = spans(columns), columns["kind"]
    for i in range(first, len(kinds)):
        if kinds[i] != Kind.GAP:
            yield _item(columns, info, i, {table: slice(at[i], at[i + 1]) for table, at in places.items()})


def rounded(item: StreamItem, info: TapeInfo) -> StreamItem:
    """Return the item as it is when it is read from the index."""
    return unpacked_item(packed(item), info)


def unpacked_item(columns: Columns, info: TapeInfo) -> StreamItem:
    """Return the one item of ``packed`` columns."""
    if columns["kind"][0] == Kind.TRANSCRIPT:  # maybe without utterances
        columns = empty(sizes(info)) | dict(columns)
    return _item(columns, info, 0, WHOLE)


def _frames(item: FrameAnswer) -> dict[str, NDArray[Any]]:
    n, flags = len(item.pts_s), Flag.BEHIND if item.behind else Flag.NONE
    values, scale = rounding.rounded_rows(item.features)
    found = head(Kind.FRAMES, item.segment, n, flags) | {
        "t": np.asarray(item.pts_s, "<f8"),
        "frames": values,
        "scale": scale,
        "objects": np.zeros(n, "u1"),
        "picture_bytes": np.zeros(n, "<u2"),
    }
    if item.zones:
        in_zones = rounding.rounded_rows(np.stack([zone.features for zone in item.zones], axis=1))
        found |= {"zone_frames": in_zones[0], "zone_scale": in_zones[1]}
    else:
        found |= {"zone_frames": np.zeros((n, 0, values.shape[1]), "i1"), "zone_scale": np.zeros((n, 0), "<f4")}
    return found | (rounding.rounded_objects(item.detections) if item.detections is not None else {})


def _audio(item: AudioAnalysed) -> dict[str, NDArray[Any]]:
    tags = item.tags
    start = np.array([item.start_s])
    found = head(Kind.AUDIO, item.segment, len(tags.t) if tags else 0, Flag.TAGGED if tags else Flag.NONE) | {
        "audio_start": start,
        "audio_length": rounding.samples(start, np.array([item.end_s])).astype("<u4"),
        "audio_settled": rounding.samples(start, np.array([item.settled_s])).astype("<i4"),
    }
    if tags is None:
        return found
    times = {
        "sound_start": np.ascontiguousarray(tags.t[:, 0], "<f8"),
        "sound_length": rounding.samples(tags.t[:, 0], tags.t[:, 1]).astype("<u2"),
    }
    return found | times | rounding.rounded_sounds(tags.p)


def _said(item: Transcript) -> dict[str, NDArray[Any]]:
    said = item.utterances
    if not said:
        return {}
    texts, languages = ([getattr(u, name).encode() for u in said] for name in ("text", "language"))
    values, scale = rounding.rounded_rows(item.features)
    return {
        "said_start": np.array([u.start_s for u in said], "<f8"),
        "said_end": np.array([u.end_s for u in said], "<f8"),
        "said_confidence": np.array([u.confidence for u in said], "<f8"),
        "said_text": np.array([len(text) for text in texts], "<u4"),
        "said_language": np.array([len(language) for language in languages], "u1"),
        "speech": values,
        "speech_scale": scale,
        "text": np.frombuffer(b"".join(t + name for t, name in zip(texts, languages, strict=True)), "u1"),
    }


def _item(columns: Columns, info: TapeInfo, i: int, own: dict[str, slice]) -> StreamItem:
    kind, flags, segment = columns["kind"][i], Flag(int(columns["flags"][i])), int(columns["segment"][i])
    if kind == Kind.FRAMES:
        return _frames_of(columns, info, segment, Flag.BEHIND in flags, own)
    if kind == Kind.AUDIO:
        return _audio_of(columns, segment, Flag.TAGGED in flags, own)
    if kind == Kind.END:
        return SegmentEnd(segment)
    begin = float(columns["begin"][own["begin"]][0])
    if kind == Kind.DROPPED:
        return FramesDropped(segment, begin, Flag.OVERLOAD in flags)
    return Transcript(segment, begin, tuple(utterances(columns, own["said"], own["text"])), _speech(columns, own))


def _frames_of(columns: Columns, info: TapeInfo, segment: int, behind: bool, own: dict[str, slice]) -> FrameAnswer:
    part, objects = own["frame"], own["object"]
    detections = None
    if info.detects:
        names = ("object_class", "object_logit", "object_box", "object_colours")
        rows = rounding.object_rows(*(columns[name][objects] for name in names))
        detections = rounding.padded(columns["objects"][part], rows)
    in_zones = rounding.rows_of(columns["zone_frames"][part], columns["zone_scale"][part])
    zones = tuple(
        ZoneAnswer(in_zones[:, z], None if detections is None else standing_in(detections, areas), areas)
        for z, areas in enumerate(info.zones)
    )
    features = rounding.rows_of(columns["frames"][part], columns["scale"][part])
    return FrameAnswer(segment, np.array(columns["t"][part]), features, detections, zones, behind)


def _audio_of(columns: Columns, segment: int, tagged: bool, own: dict[str, slice]) -> AudioAnalysed:
    start = columns["audio_start"][own["audio"]]
    end = rounding.ends(start, columns["audio_length"][own["audio"]])[0]
    settled = columns["audio_settled"][own["audio"]][0]
    until = math.inf if settled == rounding.NEVER else start[0] + settled / SAMPLE_RATE_HZ
    tags = None
    if tagged:
        sounds, heard = own["sound"], own["heard"]
        begin, classes = columns["sound_start"][sounds], columns["sound_classes"][sounds]
        t = np.column_stack([begin, rounding.ends(begin, columns["sound_length"][sounds])])
        p = rounding.sound_rows(classes, columns["heard_class"][heard], columns["heard_p"][heard])
        tags = SoundTags(segment, t, p)
    return AudioAnalysed(segment, float(start[0]), float(end), float(until), tags)


def utterances(columns: Columns, said: slice, text: slice) -> Iterator[Utterance]:
    """Yield the utterances in rows ``said``, whose words are in the bytes ``text``."""
    words, at = columns["text"][text].tobytes(), 0
    names = ("said_start", "said_end", "said_confidence", "said_text", "said_language")
    for start, end, confidence, length, language in zip(*(columns[n][said].tolist() for n in names), strict=True):
        between, after = at + length, at + length + language
        yield Utterance(start, end, words[at:between].decode(), confidence, words[between:after].decode())
        at = after


def _speech(columns: Columns, own: dict[str, slice]) -> F32:
    return rounding.rows_of(columns["speech"][own["said"]], columns["speech_scale"][own["said"]])
