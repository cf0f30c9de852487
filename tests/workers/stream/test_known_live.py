"""What is known of a live camera that fails: an outage longer than a stall is time that nobody watched."""

from collections.abc import Iterator

import pytest

from tests.support.streams.live import Camera, Studio, Visit, Watched, encoded, studio

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    with studio() as made:
        yield made


def away(seconds: float) -> Visit:
    """Send for 20 s, then be away for some time."""

    def visit(camera: Camera) -> None:
        camera.send(encoded([("grey", 8), ("red", 6), ("grey", 6)]))
        camera.wait_for_looks()
        camera.reset()
        camera.clock.now += seconds

    return visit


def back(camera: Camera) -> None:
    camera.send(encoded([("grey", 20)]))


def since(got: Watched) -> dict[str, float]:
    return {event: known.since - got.began for event, known in got.known.items()}


def test_a_camera_that_was_away_for_long_is_watched_since_it_came_back(place: Studio) -> None:
    got = place.watch(away(100), back)
    assert since(got) == {event: pytest.approx(120, abs=4) for event in ("red", "blue")}
    assert got.known["blue"].until - got.began == pytest.approx(138, abs=4)


def test_a_camera_that_was_away_for_less_than_a_stall_is_watched_since_before(place: Studio) -> None:
    got = place.watch(away(20), back)
    assert since(got) == {event: pytest.approx(0.5, abs=2) for event in ("red", "blue")}
    assert got.known["blue"].until - got.began == pytest.approx(58, abs=4)
