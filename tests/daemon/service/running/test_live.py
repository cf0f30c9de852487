"""One daemon watches ten live cameras over real servers, each with its own trouble, and is then told to stop.

They send the first 20 seconds of the bundled sample, in real time: someone speaks of a parcel at 2.0 to 6.4 s, a cat is
seen at 7 to 17 s.
"""

import random
import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs.daemon import Running, json_lines, published, running, write_config
from tests.support.programs.processes import process
from tests.support.serving.servers import RTSP_SERVER, free_port, http, paced, start, tcp, wait_for_port

pytestmark = [pytest.mark.process, pytest.mark.realtime, pytest.mark.timeout(240)]  # its daemon runs for forty seconds

SAMPLE = Path(__file__).resolve().parents[4] / "daemon" / "sample" / "sample.mp4"
SECONDS = 20.0
PARCEL, CAT = (2.0, 6.43), (7.0, 17.0)
EVENTS = {
    "cat": {"describe": "a cat", "modalities": ["vision"]},
    "parcel": {"describe": "someone talks about a parcel that was delivered", "modalities": ["speech"]},
}
# How far a bound may be from the truth: frames are looked at once a second, and opening counts up to a second.
SLOWER_S = 1.5


def ffmpeg(*args: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, args)], check=True)


def in_two_sizes(folder: Path) -> bytes:
    """Return the pictures, of which the later part is smaller: a camera whose settings were changed.

    Padded to as many bytes in every second: bytes are sent evenly, and time stamps must run with time.
    """
    even = ("-muxrate", "4M")
    small = ("-vf", "scale=320:180", "-c:v", "libx264", "-preset", "ultrafast", "-output_ts_offset", 12, *even)
    ffmpeg("-t", 12, "-i", SAMPLE, "-an", "-c", "copy", *even, folder / "large.ts")
    ffmpeg("-ss", 12, "-t", 8, "-i", SAMPLE, "-an", *small, folder / "small.ts")
    return (folder / "large.ts").read_bytes() + (folder / "small.ts").read_bytes()


def damaged(stream: bytes) -> bytes:
    """Return ``stream`` with noise in the place of ten packets after half of it."""
    at = len(stream) // 2
    return stream[:at] + random.Random(7).randbytes(1880) + stream[at + 1880 :]


@dataclass
class Outcome:
    """What came of it; ``asked``: when each camera's server was asked, Unix time."""

    asked: dict[str, list[float]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)  # every revision
    metrics: str = ""
    log: str = ""
    code: int = -1
    stop_s: float = 0.0

    def ends(self, camera: str, event: str = "cat") -> list[dict[str, Any]]:
        """Return the last revisions of a camera's events, by time; each must have ended, under an id of its own."""
        mine = sorted(
            (e for e in self.events if (e["camera"], e["event"]) == (camera, event)), key=lambda e: e["revision"]
        )
        last = {e["id"]: e for e in mine}.values()
        assert all(e["type"] == "end" for e in last), mine
        return sorted(last, key=lambda e: e["start"])

    def dropped(self, camera: str) -> float:
        """Return how many frames, one a second, a busy machine dropped: by so many seconds a bound may be off."""
        return self.value(f'watchword_frames_dropped_total{{camera="{camera}",reason="overload"}}')

    def value(self, sample: str) -> float:
        """Return one figure of the metrics, as they were before the daemon was stopped."""
        match = re.search(rf"^{re.escape(sample)} (\S+)$", self.metrics, re.MULTILINE)
        assert match, f"no {sample} in {self.metrics}"
        return float(match[1])


class Site:
    """The cameras' HTTP server: one path a camera, which answers its first, second, … request."""

    def __init__(self, asked: dict[str, list[float]], **cameras: tuple[Callable[[BaseHTTPRequestHandler], None], ...]):
        self._asked, self._cameras = asked, cameras

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.strip("/")
        times = self._asked.setdefault(name, [])
        times.append(time.time())
        answers = self._cameras[name]
        if len(times) > len(answers):
            start(request, 404)
        else:
            answers[len(times) - 1](request)


def sends(stream: bytes, stop_at: float = 1.0, then_s: float = 0.0) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send ``stream`` in real time up to a share of it, be silent for ``then_s``, hang up."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream, SECONDS, stop_at)
        time.sleep(then_s)

    return answer


def says(status: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda request: start(request, status)


def watch(daemon: Running, asked: dict[str, list[float]], folder: Path, outcome: Outcome) -> None:
    """Wait until every camera has said what it has to say, look at the metrics, stop the daemon."""
    match = re.search(r'"url": "(http://[^"]+)"', daemon.log())
    assert match, daemon.log()
    until = time.monotonic() + 50
    wanted = {"tcp": 1, "plain": 1, "rtsp": 1, "cut": 2, "stalled": 1, "noisy": 1, "resized": 1, "locked": 1}

    def seen(camera: str) -> int:
        logged = [x for x in json_lines(daemon.log()) if x.get("event") == "event" and x["type"] == "end"]
        return sum(x["camera"] == camera and x["event_name"] == "cat" for x in logged)

    while any(seen(c) < n for c, n in wanted.items()) and time.monotonic() < until:
        time.sleep(0.3)
    time.sleep(1.0)  # the metrics are a snapshot taken twice a second
    outcome.metrics = httpx.get(f"{match[1]}/metrics").text
    began = time.monotonic()
    outcome.code = daemon.end()
    outcome.stop_s, outcome.log = time.monotonic() - began, daemon.log()
    outcome.events = published(folder, all_revisions=True)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run everything once."""
    folder = tmp_path_factory.mktemp("live")
    ts, mp4, sound = folder / "s.ts", folder / "s.mp4", folder / "sound.ts"
    ffmpeg("-t", SECONDS, "-i", SAMPLE, "-c", "copy", ts)
    ffmpeg("-t", SECONDS, "-i", SAMPLE, "-c", "copy", mp4)
    ffmpeg("-t", SECONDS, "-i", SAMPLE, "-vn", "-c", "copy", sound)
    stream, out, over = ts.read_bytes(), Outcome(), threading.Event()
    site = Site(
        out.asked,
        plain=(sends(stream),),
        cut=(sends(stream, 0.6), sends(stream, 0.6)),
        stalled=(sends(stream, 0.6, then_s=60),),
        noisy=(sends(damaged(stream)),),
        resized=(sends(in_two_sizes(folder)),),
        sound=(sends(sound.read_bytes()),),
        locked=(says(401), says(401), sends(stream)),
        hung=(sends(stream, 0.5, then_s=60),),
    )
    rtsp_port, tcp_port = free_port(), free_port()
    with ExitStack() as servers:
        base = servers.enter_context(http(site))
        mute = servers.enter_context(tcp(lambda c: (over.wait(60), None)[1]))
        servers.enter_context(process("/usr/bin/python3", str(RTSP_SERVER), str(rtsp_port), "--file", str(mp4)))
        listen = f"tcp://127.0.0.1:{tcp_port}?listen=1"
        servers.enter_context(process("ffmpeg", "-re", "-i", str(ts), "-c", "copy", "-f", "mpegts", listen))
        wait_for_port(rtsp_port)
        patient = {"open_timeout": 60, "read_timeout": 60, "stall_timeout": 60}
        cameras = {
            "tcp": {"url": f"tcp://127.0.0.1:{tcp_port}"},
            "rtsp": {"url": f"rtsp://127.0.0.1:{rtsp_port}/cam", "read_timeout": 2},
            "plain": {"url": f"{base}/plain"},
            "sound": {"url": f"{base}/sound"},
            "stalled": {"url": f"{base}/stalled", "audio": False, "read_timeout": 2, "stall_timeout": 2},
            "hung": {"url": f"{base}/hung", "audio": False, **patient},
            "mute": {"url": f"rtsp://127.0.0.1:{mute}/cam", **patient},
            **{c: {"url": f"{base}/{c}", "audio": False} for c in ("cut", "noisy", "resized", "locked")},
        }
        config = write_config(folder, "lite", cameras=cameras, events=EVENTS, speech={"language": "en"})
        with running(config, folder) as daemon:
            daemon.wait_for("models loaded")
            watch(daemon, out.asked, folder, out)
        over.set()
    return out


def near(outcome: Outcome, event: dict[str, Any], base: float, truth: tuple[float, float]) -> bool:
    """Tell whether an event is where it happened; ``base`` is the Unix time of second 0."""
    most = SLOWER_S + outcome.dropped(event["camera"])
    return abs(event["start"] - base - truth[0]) <= most and abs(event["end"] - base - truth[1]) <= most


def within(event: dict[str, Any], base: float, truth: tuple[float, float]) -> bool:
    """Tell whether an event lies in the true window: of two sentences one may be misheard on a busy machine."""
    start, end = event["start"] - base, event["end"] - base
    return truth[0] - SLOWER_S <= start < end <= truth[1] + SLOWER_S and end > truth[0] and start < truth[1]


@pytest.mark.parametrize("camera", ["plain", "noisy", "resized", "locked"])
def test_an_event_is_published_once_at_its_unix_time(camera: str, outcome: Outcome) -> None:
    (cat,) = outcome.ends(camera)
    began = outcome.asked[camera][2 if camera == "locked" else 0]
    assert near(outcome, cat, began, CAT), (cat["start"] - began, cat["end"] - began, cat["score_track"])


@pytest.mark.parametrize("camera", ["tcp", "rtsp", "plain"])
def test_what_is_said_and_what_is_seen_are_the_right_time_apart(camera: str, outcome: Outcome) -> None:
    (cat, *_), (parcel, *_) = outcome.ends(camera), outcome.ends(camera, "parcel")  # the RTSP server begins again
    base = cat["start"] - CAT[0]
    assert near(outcome, cat, base, CAT), (cat, parcel)
    assert within(parcel, base, PARCEL), (cat, parcel)


def test_sound_alone_is_enough(outcome: Outcome) -> None:
    (parcel,) = outcome.ends("sound", "parcel")
    assert within(parcel, outcome.asked["sound"][0], PARCEL)


def test_a_stream_that_breaks_ends_its_events_and_begins_anew(outcome: Outcome) -> None:
    for cat, base in zip(outcome.ends("cut"), outcome.asked["cut"][:2], strict=True):
        assert near(outcome, cat, base, (CAT[0], 12.0))
    assert outcome.log.count('"camera": "cut", "url"') >= 2, outcome.log  # source_up, twice


def test_a_silent_server_is_left_and_the_event_under_way_ends(outcome: Outcome) -> None:
    (cat,) = outcome.ends("stalled")
    assert near(outcome, cat, outcome.asked["stalled"][0], (CAT[0], 12.0))
    assert outcome.value('watchword_events_total{camera="stalled",type="end"}') == 1  # without waiting for its return
    assert outcome.value('watchword_stream_failures_total{camera="stalled",reason="source_timeout"}') == 1
    assert outcome.value('watchword_stream_up{camera="stalled"}') == 0


def test_a_refusal_that_ends_is_got_over(outcome: Outcome) -> None:
    assert "source_unauthorized" in outcome.log
    assert len(outcome.asked["locked"]) >= 3


def test_it_stops_in_time_whatever_hangs(outcome: Outcome) -> None:
    """Two cameras sit in a read and in an open that may take a minute."""
    assert outcome.code == 0, outcome.log
    assert outcome.stop_s <= 10
    assert "did not stop in time" not in outcome.log
    (cat,) = outcome.ends("hung")  # its span was open when the daemon was stopped
    assert near(outcome, cat, outcome.asked["hung"][0], (CAT[0], 10.0))
