"""Cameras behind networks that lose, delay and part, all at once in real time; ``make netem`` runs the long variants.

Each camera shows red for three seconds in every six, so that what must be found is known.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.support.serving.network import bad_network
from tests.support.streams.remote import GREY_S, RED_S, Watching, make_scenes, rtsp_camera, udp_camera
from workers.types import SourceSnapshot

pytestmark = pytest.mark.realtime

PERIOD_S = GREY_S + RED_S
PARTED_S = 5.0


@dataclass
class Seen:
    """What came of one camera: start and end of each event, how long until frames came again."""

    spans: list[tuple[float, float]]
    source: SourceSnapshot
    recovered_s: float = 0.0
    returned: float = 0.0  # Unix time at which the network was whole again


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """Run everything once."""
    folder = tmp_path_factory.mktemp("net")
    video = make_scenes(folder / "scenes.mp4", 90)
    # With one key frame a second it happens (one event in 600) that those of all three seconds of an event are lost.
    often = make_scenes(folder / "often.mp4", 90, gop=5)
    with ExitStack() as cameras:
        lossy = cameras.enter_context(bad_network(seed=1, loss=0.05))
        jittery = cameras.enter_context(bad_network(seed=2, jitter_s=0.5))
        parted = cameras.enter_context(bad_network(seed=3))
        watching = {
            name: Watching(cameras.enter_context(camera(channel, shown)), read_timeout_s=2.0, fps=fps)
            for name, camera, channel, shown, fps in (
                ("loss", rtsp_camera, lossy, video, 1.0),
                ("loss by UDP", udp_camera, lossy, often, 2.0),  # a lost key frame costs the time to the next
                ("jitter", rtsp_camera, jittery, video, 1.0),
                ("parted", rtsp_camera, parted, video, 1.0),
            )
        }
        for one in watching.values():
            one.wait_for_frames(1, 30)
        time.sleep(PERIOD_S + 1)
        parted.up = False
        time.sleep(PARTED_S)
        parted.up, returned = True, time.time()
        recovered_s = watching["parted"].wait_for_frames(1, 30)
        time.sleep(PERIOD_S + 1.0)
        found = {name: Seen(one.stop(), one.source.snapshot()) for name, one in watching.items()}
        found["parted"].recovered_s, found["parted"].returned = recovered_s, returned
        yield found


@pytest.mark.parametrize("trouble", ["loss", "jitter"])
def test_over_tcp_loss_and_jitter_change_nothing(trouble: str, seen: dict[str, Seen]) -> None:
    got = seen[trouble]
    assert (got.source.failures, got.source.dropped) == ({}, {})
    assert len(got.spans) >= 3
    assert [b[0] - a[0] for a, b in pairwise(got.spans)] == pytest.approx([PERIOD_S] * (len(got.spans) - 1), abs=0.3)
    assert [b - a for a, b in got.spans[:-1]] == pytest.approx([RED_S] * (len(got.spans) - 1), abs=0.3)


def test_by_udp_packets_are_missing_and_no_event(seen: dict[str, Seen]) -> None:
    got = seen["loss by UDP"]
    assert got.source.failures == {}
    periods = [(b[0] - a[0]) / PERIOD_S for a, b in pairwise(got.spans)]
    assert [round(p) for p in periods] == [1] * len(periods), got
    assert periods == pytest.approx([1] * len(periods), abs=0.2), got
    assert len(got.spans) >= 3


def test_a_parted_network_is_got_over(seen: dict[str, Seen]) -> None:
    got = seen["parted"]
    assert got.recovered_s <= 15
    assert sum(got.source.failures.values()) >= 1
    after = [s - got.returned for s, _ in got.spans if s > got.returned]
    assert len(after) == len(got.spans) - 2 >= 1
    assert GREY_S - 1 <= after[0] <= got.recovered_s + GREY_S + 1  # the server began the scenes anew
    assert [b - a for a, b in pairwise(after)] == pytest.approx([PERIOD_S] * (len(after) - 1), abs=0.3)
