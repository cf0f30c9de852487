import pytest

from workers.sources.timebase import Timebase


def seconds(base: Timebase, track: str, stamps: list[float], duration: float = 0.04) -> list[tuple[int, float]]:
    placed = [(s, base.place(track, s, duration)) for s in stamps]
    return [(p.epoch, round(s + p.offset, 6)) for s, p in placed]


def test_time_starts_at_the_origin() -> None:
    assert seconds(Timebase(3601.4, 0.0), "video", [3601.4, 3601.44]) == [(0, 0.0), (0, 0.04)]


def test_without_origin_the_first_stamp_is_the_start() -> None:
    assert seconds(Timebase(None, 1000.0), "video", [50.0, 50.04]) == [(0, 1000.0), (0, 1000.04)]


def test_negative_stamps() -> None:
    assert seconds(Timebase(-1.64, 0.0), "video", [-1.64, -0.64, 0.36]) == [(0, 0.0), (0, 1.0), (0, 2.0)]


def test_forward_jump_of_hours_continues_where_it_was() -> None:
    got = seconds(Timebase(0.0, 0.0), "video", [0.0, 0.04, 43200.0, 43200.04])
    assert got == [(0, 0.0), (0, 0.04), (1, 0.12), (1, 0.16)]


def test_backward_jump_continues_where_it_was() -> None:
    got = seconds(Timebase(1000.0, 0.0), "video", [1000.0, 1000.04, 10.0, 10.04])
    assert got == [(0, 0.0), (0, 0.04), (1, 0.12), (1, 0.16)]


def test_gaps_up_to_the_limits_are_no_jumps() -> None:
    got = seconds(Timebase(0.0, 0.0), "video", [0.0, 9.9, 9.2, 19.0])
    assert [e for e, _ in got] == [0, 0, 0, 0]


def test_an_index_allows_long_still_scenes() -> None:
    got = seconds(Timebase(0.0, 0.0, forward_s=3600.0), "video", [0.0, 600.0])
    assert got == [(0, 0.0), (0, 600.0)]


@pytest.mark.parametrize("jump", [43200.0, 12.0, -990.0, -3.0])
def test_sound_and_picture_jump_together_and_stragglers_stay_behind(jump: float) -> None:
    """The picture jumps first; sound muxed just before the jump still carries old stamps."""
    base = Timebase(1000.0, 0.0)
    old = 1000.0
    for n in range(100):
        base.place("video", old + n * 0.04, 0.04)
        base.place("audio", old - 0.4 + n * 0.04, 0.04)
    new = old + 4.0 + jump
    assert seconds(base, "video", [new]) == [(1, pytest.approx(4.04, abs=0.05))]
    assert seconds(base, "audio", [old + 3.6, old + 3.64])[-1][0] == 0
    epoch, at = seconds(base, "audio", [new - 0.3])[0]
    assert epoch == 1
    assert at == pytest.approx(3.7, abs=0.05)
    assert base.epoch == 1


def test_a_late_track_stays_on_the_common_clock() -> None:
    base = Timebase(0.0, 0.0)
    for n in range(700):
        base.place("video", n * 0.04, 0.04)
    assert seconds(base, "audio", [25.5]) == [(0, 25.5)]


def test_a_live_source_resumes_at_the_wall_clock() -> None:
    base = Timebase(None, 100.0, epoch=3, restart=lambda t: max(t, 160.0))
    assert seconds(base, "video", [7.0, 7.04, 500.0]) == [(3, 100.0), (3, 100.04), (4, 160.0)]
    assert base.now == pytest.approx(160.04)
