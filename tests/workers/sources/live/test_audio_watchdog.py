"""Whether a camera is still heard while its pictures come: real sources, and a camera that does as it is told."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.support.streams.live import Camera, Studio, Visit, encoded, studio

pytestmark = pytest.mark.realtime

GREY = (("grey", 30),)


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    with studio() as made:
        yield made


def sending(seconds: int = 20, stamp_s: float = 0.0, **sound: Any) -> Visit:
    """Send pictures, with sound unless told."""
    return lambda camera: camera.send(encoded((("grey", seconds),), stamp_s, audio_rate=48000, **sound))


def test_another_codec_of_sound_is_noticed_and_followed(place: Studio) -> None:
    """FFmpeg goes on to feed the old decoder: only that nothing decodes any more tells."""

    def changes(camera: Camera) -> None:
        sending()(camera)
        sending(10, 20.0, audio_codec="mp2")(camera)
        camera.wait_for_hangup()

    got = place.watch(changes, sending(20, 30.0, audio_codec="mp2"), audio=True)
    assert got.source.failures == {"source_timeout": 1}
    assert got.source.last_sound_wall is not None
    assert got.source.last_sound_wall - got.began > 40


def test_sound_that_ceases_is_looked_for_once(place: Studio) -> None:
    """A microphone that is switched off leaves its track: opening anew cannot bring it back."""

    def ceases(camera: Camera) -> None:
        sending(40, audio_s=10.0)(camera)
        camera.wait_for_hangup()

    with structlog.testing.capture_logs() as logs:
        got = place.watch(
            ceases,
            lambda camera: camera.send(encoded((("grey", 40),), audio_rate=48000, audio_s=0.8)),
            audio=True,
            stall_s=8.0,
        )
    assert got.source.failures == {"source_timeout": 1}
    assert [x["reason"] for x in logs if x["event"] == "audio_lost"] == ["no audio packets arrive"]


def test_sound_that_never_came_is_not_looked_for(place: Studio) -> None:
    got = place.watch(sending(40, audio_s=0.8), audio=True, stall_s=20.0)  # the clock is fast: a busy machine stalls
    assert got.source.failures == {}
    assert got.source.last_sound_wall is None
    assert (got.source.last_error or "").endswith("s: no audio packets arrive")


@pytest.mark.parametrize("before", [(), (lambda camera: camera.send(encoded(GREY[:1], audio_rate=48000)[:50]),)])
def test_after_our_clock_was_set_back_sound_is_heard_on_any_connection(
    before: tuple[Visit, ...], place: Studio
) -> None:
    def is_set(camera: Camera) -> None:
        sending()(camera)
        camera.wait_for_looks()
        camera.clock.set_by = -3600.0
        sending(20, 20.0)(camera)

    got = place.watch(*before, is_set, audio=True)
    assert got.source.last_sound_wall is not None
    assert got.source.last_sound_wall - got.began == pytest.approx(40 + 10 * len(before) - 3600, abs=3)
    assert got.source.failures == ({"source_unreachable": 1} if before else {})
