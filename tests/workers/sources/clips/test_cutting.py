"""Which packets belong to a clip."""

import pytest

from workers.sources.clips.coded import CodedPacket, Recording, Tracks
from workers.sources.clips.cutting import cut
from workers.sources.clips.remux import decode_stamps

TRACKS = Tracks(b"x")


def video(first: int, count: int, gop: int = 5, tracks: Tracks = TRACKS) -> Recording:
    """One packet a second, an entry point every ``gop``."""
    times = range(first, first + count)
    return Recording(tracks, [CodedPacket(b"", True, t % gop == 0, t % gop == 0, t, t) for t in times])


def times(recording: Recording | None) -> list[float]:
    assert recording is not None
    return [p.t for p in recording.packets]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(12, 14, range(10, 15)), (10, 10, [10]), (3, 6, range(5, 7)), (28, 99, range(25, 30))],
)
def test_from_the_entry_point_before_to_the_end(start: float, end: float, expected: range) -> None:
    assert times(cut([video(5, 25)], start, end)) == list(expected)


def test_nothing_of_that_time() -> None:
    assert cut([video(5, 25)], 0, 3) is None
    assert cut([video(5, 25)], 50, 60) is None
    assert cut([], 0, 3) is None
    assert cut([video(5, 25, tracks=Tracks())], 10, 20) is None  # of which no track can be described


def test_connections_of_equal_tracks_are_joined_over_a_reconnect() -> None:
    assert times(cut([video(5, 5), video(15, 10)], 6, 17)) == [*range(5, 10), 15, 16, 17]


def test_of_other_tracks_those_with_most_of_the_time_are_taken() -> None:
    assert times(cut([video(5, 5), video(10, 20, tracks=Tracks(b"other codec"))], 8, 17)) == list(range(10, 18))
    assert times(cut([video(5, 15), video(20, 20, tracks=Tracks(b"other codec"))], 8, 22)) == list(range(5, 20))


def test_audio_lies_within_the_video() -> None:
    sound = [CodedPacket(b"", False, True, True, t / 2, t / 2) for t in range(60)]
    both = sorted([*video(5, 20).packets, *sound], key=lambda p: p.decode_t)
    found = cut([Recording(Tracks(b"x"), both)], 12, 14)
    assert found is not None
    assert [p.t for p in found.audio] == [t / 2 for t in range(20, 29)]


def test_leading_frames_of_the_first_entry_point_are_left_out() -> None:
    packets = [CodedPacket(b"", True, e, e, t, d) for t, d, e in [(8, 7, True), (6, 8, False), (9, 9, False)]]
    assert times(cut([Recording(Tracks(b"x"), packets)], 8, 12)) == [8, 9]


def test_decode_times_rise_and_never_come_after_presentation() -> None:
    stamps = decode_stamps([0.0, 0.12, 0.04, 0.08, 0.12, 0.24, 0.16, 0.2])  # one time stamp twice
    assert [dts for _, dts in stamps] == sorted({dts for _, dts in stamps})
    assert all(dts <= pts for pts, dts in stamps)
    assert len({pts for pts, _ in stamps}) == len(stamps)
    assert [pts for pts, _ in stamps][:3] == [0, 10_800, 3_600]
