from itertools import pairwise

import pytest

from workers.sources.containers.timebase import ArrivalDelay, ResumePoint, Timebase


def seconds(base: Timebase, track: str, stamps: list[float], duration: float = 0.04) -> list[tuple[int, float]]:
    placed = [(s, base.place(track, s, duration)) for s in stamps]
    return [(p.segment, round(s + p.offset, 6)) for s, p in placed]


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
    segment, at = seconds(base, "audio", [new - 0.3])[0]
    assert segment == 1
    assert at == pytest.approx(3.7, abs=0.05)
    assert base.segment == 1


def test_a_late_track_stays_on_the_common_clock() -> None:
    base = Timebase(0.0, 0.0)
    for n in range(700):
        base.place("video", n * 0.04, 0.04)
    assert seconds(base, "audio", [25.5]) == [(0, 25.5)]


class Camera:
    """A live camera at 25 frames/s: what it stamps, and when that arrives."""

    def __init__(self, stamp: float = 7.0, now: float = 1000.0, told: ResumePoint | None = None) -> None:
        self.stamp, self.now = stamp, now
        self.base = Timebase(None, now, segment=3, wall=lambda: self.now, resume=told)

    def send(self, seconds: float, speed: float = 1.0, late: float = 0.0) -> list[tuple[int, float, float]]:
        """Send; ``speed``: how fast its clock runs. Return epoch, stream second and time of arrival of each frame."""
        got = []
        for n in range(round(seconds * 25)):
            delay = late * (n % 10) / 10
            self.now += delay
            place = self.base.place("video", self.stamp, 0.04)
            got.append((place.segment, self.stamp + place.offset, self.now - delay))
            self.now += 0.04 - delay
            self.stamp += 0.04 * speed
        return got


def test_a_live_stream_whose_clock_is_set_goes_on_where_it_was() -> None:
    for jump in (7200.0, -7200.0, 12.0, -3.0):
        camera = Camera(stamp=10_000.0)
        before = camera.send(30)
        camera.stamp += jump
        after = camera.send(30)
        assert {e for e, *_ in before + after} == {3}
        assert [t for _, t, _ in before + after] == pytest.approx([1000 + 0.04 * n for n in range(1500)], abs=1e-6)


def test_a_gap_is_told_from_a_clock_that_was_set_by_the_time_of_arrival() -> None:
    camera = Camera()
    camera.send(30)
    camera.now += 60.0
    camera.stamp = 500.0
    ((segment, t, arrived), *_) = camera.send(1)
    assert segment == 4
    assert t == pytest.approx(arrived, abs=0.1)


@pytest.mark.parametrize("speed", [1 + 4e-4, 1 - 4e-4])
def test_a_clock_that_drifts_is_followed_without_a_step(speed: float) -> None:
    camera = Camera()
    got = camera.send(2 * 3600, speed, late=0.5)  # it would be off by three seconds
    assert {e for e, *_ in got} == {3}
    steps = [b - a for (_, a, _), (_, b, _) in pairwise(got)]
    assert min(steps) > 0.0395
    assert max(steps) < 0.0405
    assert max(abs(t - now) for _, t, now in got) < 0.15


@pytest.mark.parametrize("wrong", [2.0, 9.0, -9.0, 5000.0])
def test_a_damaged_time_stamp_moves_nothing_but_its_own_frame(wrong: float) -> None:
    camera = Camera()
    camera.send(30, late=0.5)
    camera.stamp += wrong
    camera.send(0.04)
    camera.stamp -= wrong
    after = camera.send(30, late=0.5)
    assert {e for e, *_ in after} == {3}
    assert [t for _, t, _ in after] == pytest.approx([now for *_, now in after], abs=1e-6)


def test_jitter_is_no_drift() -> None:
    camera = Camera()
    got = camera.send(1800, late=2.0)
    assert [t for _, t, _ in got] == pytest.approx([1000 + 0.04 * n for n in range(len(got))], abs=0.01)


def test_after_a_step_of_our_clock_a_new_epoch_begins_there() -> None:
    camera = Camera()
    camera.send(20)
    camera.now -= 3600
    camera.base.restart(camera.now)
    ((segment, t, _), *_) = camera.send(1)
    assert (segment, t) == (4, pytest.approx(camera.now - 1.0))
    assert camera.base.segment == 4


def test_the_first_packet_is_no_gap() -> None:
    assert not ArrivalDelay().is_gap(1000.0, 5000.0)


@pytest.mark.parametrize("since", [1.0, 15.0, 31.0, 3600.0])
def test_what_was_read_before_keeps_its_place_however_long_a_playlist_stands_still(since: float) -> None:
    for behind in (29.0, 15.0, 10.1, 9.9, 0.04):
        camera = Camera(1000.0 - behind, 1000.0 + since, ResumePoint(0.0, 1000.0))
        placed = [camera.base.place(track, camera.stamp, 0.04) for track in ("video", "audio")]
        assert {(p.segment, p.offset) for p in placed} == {(3, 0.0)}
        assert camera.base.resume_point is None


@pytest.mark.parametrize(("since", "begins"), [(2.0, 1000.04), (25.0, 1000.04), (31.0, 1036.0), (3600.0, 4605.0)])
def test_a_playlist_goes_on_where_it_was_unless_it_stood_still_for_long(since: float, begins: float) -> None:
    camera = Camera(998.0, 1000.0 + since, ResumePoint(0.0, 1000.0))
    camera.base.place("video", camera.stamp, 0.04)
    camera.now, camera.stamp = camera.now + 5.0, 1000.04
    got = camera.send(20)
    assert {e for e, *_ in got} == {3}
    assert [t for _, t, _ in got] == pytest.approx([begins + 0.04 * n for n in range(500)], abs=0.05)
    told = camera.base.resume_point
    assert told is not None
    assert told.until == pytest.approx(got[-1][1], abs=0.001)


def test_sound_that_is_behind_its_pictures_stays_so_when_a_playlist_goes_on_late() -> None:
    camera = Camera(1000.04, 1025.0, ResumePoint(0.0, 1000.0))
    camera.send(1)
    place = camera.base.place("audio", 999.7, 0.02)
    assert (place.segment, 999.7 + place.offset) == (3, pytest.approx(999.7, abs=0.01))


@pytest.mark.parametrize("stamp", [1020.0, 90_000.0, 1.4])
def test_time_stamps_that_do_not_go_on_begin_where_the_time_is(stamp: float) -> None:
    camera = Camera(stamp, 1003.0, ResumePoint(0.0, 1000.0))
    ((segment, t, _), *_) = camera.send(1)
    assert (segment, t) == (3, pytest.approx(1003.0))
