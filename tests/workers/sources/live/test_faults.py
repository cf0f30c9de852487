"""What happens to events when a live source misbehaves: each fault against a run without one."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from tests.support.clocks import SettableClock
from tests.support.streams.live import FPS, Camera, Studio, Visit, Watched, encoded, studio

pytestmark = pytest.mark.realtime

SCENES = (("grey", 14), ("red", 8), ("grey", 8), ("blue", 8), ("grey", 8), ("red", 6), ("grey", 6))
CUT = 18  # seconds: within the first event


def scenes(since: float, until: float = 99.0) -> list[tuple[str, float]]:
    """Return a part of ``SCENES``."""
    ends = list(itertools.accumulate(s for _, s in SCENES))
    parts = [(c, min(e, until) - max(e - s, since)) for (c, s), e in zip(SCENES, ends, strict=True)]
    return [(c, s) for c, s in parts if s > 0]


def sending(*pieces: list[bytes]) -> Visit:
    return lambda camera: camera.send([x for p in pieces for x in p])


def assert_times(got: Watched, expected: list[tuple[float, float]]) -> None:
    """Every event must be where it was seen: frames are looked at once a second."""
    for (_, start, end), truth in zip(got.occurrences(), expected, strict=True):
        assert (start, end) == (pytest.approx(truth[0], abs=0.7), pytest.approx(truth[1], abs=0.7))


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    with studio() as made:
        yield made


@pytest.fixture(scope="module")
def calm(place: Studio) -> Watched:
    """The run without a fault."""
    return place.watch(sending(encoded(SCENES)))


def test_without_a_fault_all_is_seen(calm: Watched) -> None:
    assert [o[0] for o in calm.occurrences()] == ["red", "blue", "red"]
    assert_times(calm, [(14, 22), (30, 38), (46, 52)])
    assert calm.source.failures == {}


def changed(at: float = CUT, **second: Any) -> Visit:
    """Send both parts on one connection, the second encoded another way; its time stamps go on unless told."""
    first = encoded(scenes(0, at), audio_rate=44100 if "audio_rate" in second else None)
    return sending(first, encoded(scenes(at), **{"stamp_s": float(at), **second}))


def garbled(camera: Camera) -> None:
    pieces = encoded(SCENES)
    for n, since in enumerate(range(0, len(pieces), 8 * FPS)):
        camera.send(pieces[since : since + 8 * FPS - 2])
        camera.garble(2000 + 17 * n, seed=n)  # mostly no whole number of packets
        camera.send(pieces[since + 8 * FPS - 2 : since + 8 * FPS])


SEAMLESS = {
    "resolution": changed(size=(96, 80)),
    "its clock is set forward": changed(stamp_s=CUT + 3 * 3600.0),
    "its clock is set back": changed(stamp_s=26.5 * 3600 - 5, at=CUT),
    "a small step back": changed(stamp_s=CUT - 4.0),
    "garbage": garbled,
}


@pytest.mark.parametrize("fault", SEAMLESS)
def test_on_one_connection_nothing_changes(fault: str, place: Studio, calm: Watched) -> None:
    got = place.watch(SEAMLESS[fault])
    assert got.source.failures == {}
    assert got.occurrences() == calm.occurrences()
    assert got.ids() == calm.ids()


def test_another_audio_rate_changes_nothing_seen(place: Studio, calm: Watched) -> None:
    got = place.watch(changed(audio_rate=48000), audio=True)
    assert got.source.failures == {}
    for (_, *times), (_, *expected) in zip(got.occurrences(), calm.occurrences(), strict=True):
        assert times == pytest.approx(expected, abs=0.03)  # sound begins a little before the pictures


def away(camera: Camera) -> None:
    """Let a minute pass and hang up."""
    camera.clock.now += 60.0


def test_silence_before_the_first_picture_is_no_part_of_the_stream(place: Studio) -> None:
    def visit(camera: Camera) -> None:
        camera.clock.now += 30.0
        camera.send(encoded(SCENES))

    got = place.watch(visit)
    assert_times(got, [(44, 52), (60, 68), (76, 82)])


def rest(since: float, **how: Any) -> Visit:
    """Send the scenes from ``since`` on; the camera's own clock went on."""
    return sending(encoded(scenes(since), **{"stamp_s": since, **how}))


def stalls(camera: Camera) -> None:
    camera.send(encoded(scenes(0, CUT)))
    camera.wait_for_hangup()


def resets(camera: Camera) -> None:
    camera.send(encoded(scenes(0, CUT)))
    camera.wait_for_looks()  # what was sent and not yet read is lost with the connection
    camera.reset()


def breaks_off(camera: Camera) -> None:
    """Hang up in the middle of a packet."""
    camera.send(encoded(scenes(0, CUT)))
    camera.connection.sendall(encoded(scenes(CUT))[0][:1000])


BREAKS = {"stalls silently": stalls, "resets": resets, "breaks off": breaks_off}


@pytest.mark.parametrize("fault", BREAKS)
def test_what_a_break_cuts_ends_there_and_the_rest_is_seen_when_it_returns(
    fault: str, place: Studio, calm: Watched
) -> None:
    got = place.watch(BREAKS[fault], away, rest(CUT))
    shift = 60.0
    expected = [(14, 18), (CUT + shift, 22 + shift), (30 + shift, 38 + shift), (46 + shift, 52 + shift)]
    assert sum(got.source.failures.values()) == 2  # the second time nothing came
    assert sum(got.source.reconnects.values()) == 1
    assert [o[0] for o in got.occurrences()] == ["red", "red", "blue", "red"]
    assert_times(got, expected)
    assert got.ids()[0] == calm.ids()[0]  # it began before the break
    assert not set(got.ids()[1:]) & set(calm.ids())


def test_breaks_one_after_the_other_in_one_event_give_one_event_a_connection(place: Studio) -> None:
    def once(since: float) -> Visit:
        return sending(encoded(scenes(since, since + 3), stamp_s=since))

    got = place.watch(*(once(x) for x in (13, 16, 19)), away, rest(30))
    assert [o[0] for o in got.occurrences()] == ["red", "red", "red", "blue", "red"]
    assert len(set(got.ids())) == 5
    assert all(a[2] <= b[1] for a, b in itertools.pairwise(got.occurrences()))


@pytest.mark.parametrize("codec", ["libx265", "mpeg2video"])
def test_another_codec_is_noticed_and_followed(codec: str, place: Studio) -> None:
    """FFmpeg goes on to feed the old decoder: only that nothing decodes any more tells."""

    def changes(camera: Camera) -> None:
        camera.send(encoded(scenes(0, CUT)))
        with suppress(OSError):  # it may be left before all is sent
            camera.send(encoded(scenes(CUT, CUT + 6), codec=codec, stamp_s=CUT), blindly=True)
        camera.wait_for_hangup()
        left.set()

    def goes_on(camera: Camera) -> None:
        assert left.wait(20)  # until then the clock is moved there
        camera.clock.now = max(camera.clock.now, began + CUT + 6)
        rest(CUT + 6, codec=codec)(camera)

    began, left = SettableClock().now, Event()
    got = place.watch(changes, goes_on)
    assert sum(got.source.failures.values()) == 1
    assert [o[0] for o in got.occurrences()] == ["red", "blue", "red"]
    assert_times(got, [(14, 18), (30, 38), (46, 52)])


def test_only_streams_that_turned_up_later_is_a_stall(place: Studio) -> None:
    """A relay goes over to another programme: PyAV gives nothing of a stream that it did not open."""

    def changes(camera: Camera) -> None:
        camera.send(encoded(scenes(0, CUT)))
        other = {"mpegts_service_id": "7", "mpegts_start_pid": "900"}
        camera.send(encoded(scenes(CUT, 30), stamp_s=CUT, container=other), blindly=True)
        camera.wait_for_hangup()

    got = place.watch(changes, rest(30), stall_s=8.0)
    assert [o[0] for o in got.occurrences()][-2:] == ["blue", "red"]


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_our_clock_is_set(step: float, place: Studio, calm: Watched) -> None:
    def visit(camera: Camera) -> None:
        camera.send(encoded(scenes(0, CUT)))
        camera.wait_for_looks()
        camera.clock.set_by = step
        camera.send(encoded(scenes(CUT), stamp_s=CUT))

    got = place.watch(visit)
    assert got.source.failures == {}
    before = [o for o in got.occurrences() if 0 <= o[1] < 60]
    after = [(name, start - step, end - step) for name, start, end in got.occurrences() if not 0 <= start < 60]
    assert [o[0] for o in before] == ["red"]
    assert [o[0] for o in after] == ["red", "blue", "red"]
    assert after[1:] == [
        (o[0], pytest.approx(o[1], abs=0.01), pytest.approx(o[2], abs=0.01)) for o in calm.occurrences()[1:]
    ]
    assert before[0][2] <= after[0][1] + 1 / FPS < CUT + 0.7 + 1 / FPS
    assert got.ids()[0] == calm.ids()[0]


def test_a_refusal_that_ends(place: Studio, calm: Watched) -> None:
    def refuses(camera: Camera) -> None:
        camera.connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def admits(camera: Camera) -> None:
        camera.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n")
        camera.send(encoded(SCENES))

    got = place.watch(refuses, refuses, admits, scheme="http")
    assert got.source.failures == {"source_unauthorized": 2}
    assert got.source.reconnects == {}  # it was not up before
    assert got.occurrences() == calm.occurrences()
