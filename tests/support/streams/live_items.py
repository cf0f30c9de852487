"""What a live stream could decide on, without a stream: colours, speech and barks, and the events that are in them."""

from collections.abc import Iterator

import numpy as np

from alignment.lexicon import sound_classes
from tests.support.streams.pipelines import COLOURS, ColourEncoder
from workers.areas import as_seen
from workers.items import AudioAnalysed, FrameAnswer, FramesDropped, SegmentEnd, StreamItem, Transcript, ZoneAnswer
from workers.types import EventSpec, SoundTags, Utterance, Zone

LEFT = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
EVENTS = (
    EventSpec("red", ("red",), priority=9),
    EventSpec("blue", ("blue",), priority=2, max_false_alerts_per_hour=2.0),
    EventSpec("green_left", ("green",), zones=(LEFT,)),
    EventSpec("parcel", ("someone says that a parcel has come",)),
    EventSpec("bark", ("a dog barks",), modalities=("sound",)),
)
START = 1_790_000_000.0
SAID = ("a parcel has come for you", "nice weather today", "the parcel is here")


def live_items(seed: int, frames: int) -> Iterator[StreamItem]:
    """Yield what a live stream could decide on: scenes of colours, speech, barks, drops, a discontinuity."""
    rng, encoder, t = np.random.default_rng(seed), ColourEncoder(), START
    names, zones = ["red", "blue", "green", "grey"], (as_seen((LEFT.area,), (0.0, 0.0, 1.0, 1.0)),)
    segment, colour, barking = 0, "grey", False
    for n in range(frames):
        t += float(rng.uniform(0.9, 1.1))
        colour = names[int(rng.integers(len(names)))] if rng.random() < 0.15 else colour
        barking = barking != (rng.random() < 0.1)
        if rng.random() < 0.02:
            yield FramesDropped(segment, t, overload=True)
        else:
            picture = rng.normal(0, 25, (32, 32, 3)) + COLOURS[colour]
            rows = encoder.encode_zones(picture.clip(0, 255).astype(np.uint8)[None], zones).result()
            yield FrameAnswer(segment, np.array([t]), rows[:1], None, (ZoneAnswer(rows[1:], None, zones[0]),))
        p = rng.random((2, len(sound_classes()))).astype(np.float32) * 0.2
        p[:, sound_classes().index("Bark")] += 0.75 * barking
        t0 = t + 0.48 * np.arange(2)
        yield AudioAnalysed(segment, t, t + 0.96, t - 4, SoundTags(segment, np.column_stack([t0, t0 + 0.48]), p))
        if rng.random() < 0.05:
            said = SAID[int(rng.integers(len(SAID)))]
            words = (Utterance(t - 3, t - 1.2, said, float(rng.random()), "en"),)
            yield Transcript(segment, t - 3.1, words, encoder.encode_sentences([said]).result())
        if n == frames // 2:
            yield SegmentEnd(segment)
            segment, t = segment + 1, t + 30
    yield SegmentEnd(segment)
