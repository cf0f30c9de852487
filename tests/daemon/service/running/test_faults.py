"""Bad cameras, signals, a dead Redis, planted secrets: the daemon as a process."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from tests.daemon.verification.conftest import CONFIRMED, REJECTED
from tests.support.clocks import wait_until
from tests.support.programs.daemon import (
    ALWAYS,
    ENDLESS,
    RED,
    WATCHWORD,
    Running,
    json_lines,
    published,
    running,
    watchword,
    write_config,
)
from tests.support.serving.receivers import Receiver, receiver
from tests.support.serving.servers import closed_port, responding, unresponsive
from tests.support.serving.vlm_server import Asked, says, slow, vlm_server
from tests.support.streams.pipelines import RED_TWICE, write_colours
from tests.support.videos.media import gigapixel, playlist
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

pytestmark = pytest.mark.process

GOOD = {"good": {"url": "good.mp4"}}
TRAINED = {"profile": "colour", "aligner": "cross_attention"}  # whose network is beside the encoder
SECRET = "pl4nted-s3cret"
BOTH = pytest.mark.parametrize("runtime", ["local", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.long])])


@BOTH
def test_bad_cameras_get_one_clear_error_each_and_the_good_one_goes_on(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "points.mp4").write_text(playlist("file:///etc/passwd"))
    gigapixel(tmp_path)
    write_colours(tmp_path / "good.mp4", RED_TWICE)
    with unresponsive() as mute, responding(404) as missing, responding(401) as locked:
        cameras = {
            **GOOD,
            "text": {"url": "text.mp4"},
            "empty": {"url": "empty.mp4"},
            "nowhere": {"url": "nowhere.mp4"},
            "bomb": {"url": "bomb.avi"},
            "points": {"url": "points.mp4"},
            "refused": {"url": f"http://viewer:{SECRET}@127.0.0.1:{closed_port()}/live.ts"},
            "mute": {"url": f"rtsp://viewer:{SECRET}@{mute}/stream", "open_timeout": 1, "read_timeout": 1},
            "gone": {"url": f"http://{missing}/live.m3u8?token={SECRET}"},
            "locked": {"url": f"http://viewer:{SECRET}@{locked}/live.ts"},
        }
        config = write_config(tmp_path, cameras=cameras, events=RED, runtime=runtime)
        done = watchword("run", config, "--once", "--json")
    assert done.returncode == 3
    assert [e["camera"] for e in json_lines(done.stdout)] == ["good", "good"], done.stderr
    errors = [x for x in json_lines(done.stderr) if x["level"] in ("error", "warning") and "camera" in x]
    codes = {x["camera"]: x.get("code") or x["error"] for x in errors}
    assert "source_invalid" in codes["text"]
    assert "source_invalid" in codes["empty"]
    assert "source_not_found" in codes["nowhere"]
    assert "source_too_large" in codes["bomb"]
    assert "source_refused" in codes["points"]
    assert codes["refused"] == "source_unreachable"
    assert codes["mute"] == "source_timeout"
    assert codes["gone"] == "source_not_found"
    assert codes["locked"] == "source_unauthorized"
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


@BOTH
def test_health_metrics_and_an_orderly_end(runtime: str, tmp_path: Path) -> None:
    cameras = {"endless": {"url": ENDLESS}, "down": {"url": f"rtsp://u:{SECRET}@127.0.0.1:{closed_port()}/x"}}
    config = write_config(tmp_path, cameras=cameras, events=ALWAYS, runtime=runtime, models=TRAINED)
    with running(config, tmp_path) as daemon:
        daemon.wait_for('"type": "new"')
        with client(daemon) as http:
            assert http.get("/readyz").status_code == 200
            assert http.get("/healthz").status_code == 200
            text = until(http, 'watchword_events_total{camera="endless",type="new"} 1.0')
            assert "watchword_aligner_pass_seconds_sum 0.0\n" not in until(http, "watchword_aligner_windows 1.0")
            health = http.get("/readyz").text
        assert 'watchword_stream_up{camera="endless"} 1.0' in text
        assert 'watchword_stream_up{camera="down"} 0.0' in text
        assert daemon.end() == 0
        assert SECRET not in daemon.log() + text + health
    (event,) = published(tmp_path)
    assert (event["type"], event["camera"]) == ("end", "endless")


def client(daemon: Running) -> httpx.Client:
    """Return a client of a daemon's HTTP port."""
    match = re.search(r'"url": "(http://[^"]+)"', daemon.log())
    assert match, daemon.log()
    return httpx.Client(base_url=match[1])


def test_uploads_are_tagged_and_put_away(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    write_colours(inbox / "red.mp4", RED_TWICE)
    for n in range(20):  # one a second once, however small they were
        (inbox / f"text-{n:02}.mp4").write_text("no video at all")
    config = write_config(tmp_path, uploads={"folder": "inbox", "done": "done", "sidecars": True}, events=RED)
    done = watchword("run", config, "--once", "--json")
    assert done.returncode == 3
    assert [e["source"]["file"] for e in json_lines(done.stdout)] == ["red.mp4", "red.mp4"]
    results = json.loads((tmp_path / "done" / "red.mp4.watchword.json").read_text())
    assert [e["id"] for e in results["events"]] == [e["id"] for e in json_lines(done.stdout)]
    assert [e["over_budget"] for e in results["events"]] == [False, False]
    assert results["duration"] == pytest.approx(24, abs=0.2)
    assert len((tmp_path / "done" / "red.mp4.watchword.csv").read_text().splitlines()) == 3
    assert (tmp_path / "done" / "red.mp4.watchword.vtt").read_text().count("red") >= 2
    failed = json.loads((tmp_path / "done" / "failed" / "text-00.mp4.watchword.json").read_text())
    assert (failed["error"]["code"], failed["events"]) == ("source_invalid", [])
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith("input could not be read: uploads: 20 file(s), first text-00.mp4: source_invalid")
    assert [e["camera"] for e in json_lines(done.stdout)] == ["uploads", "uploads"]
    assert sorted(str(p.relative_to(tmp_path / "done")) for p in tmp_path.glob("done/**/*.mp4")) == [
        *(f"failed/text-{n:02}.mp4" for n in range(20)),
        "red.mp4",
    ]
    put_away = [line for line in json_lines(done.stderr) if line["event"] == "upload done" and line["failed"]]
    at = [datetime.fromisoformat(line["timestamp"]) for line in put_away]
    assert (at[-1] - at[0]).total_seconds() < 10
    assert list(inbox.iterdir()) == []


@pytest.mark.ray
def test_an_encoder_killed_in_the_middle_changes_no_event_and_no_verdict(tmp_path: Path) -> None:
    """Its actor also holds what the aligner has read of every window, which dies with it."""
    scenes = (("grey", 4), ("red", 6), ("grey", 6), ("blue", 6), ("grey", 2))
    video = write_colours(tmp_path / "good.mp4", scenes)  # written once: ids depend on its bytes
    coloured = {"describe": ["a red picture", "a blue picture"], "modalities": ["vision"]}
    policies = ("hold", "label", "only_confirmed")
    events = ALWAYS | {policy: coloured | {"verify": policy} for policy in policies}
    found = {}
    for killed, runtime in ((False, "local"), (True, "ray")):
        folder = tmp_path / runtime
        folder.mkdir()
        shutil.copy(video, folder)
        with vlm_server(slow(0.3, says(confirms_red))) as model, receiver() as hook:
            models = TRAINED | {"verifier": {"url": model.url, "model": "tiny", "calls_per_minute": 1000}}
            alerts = {"cooldown": 0, "targets": {"hook": {"webhook": hook.url, "events": [*policies], "clips": False}}}
            config = write_config(folder, cameras=GOOD, events=events, runtime=runtime, models=models, alerts=alerts)
            with running(config, folder) as daemon:
                daemon.wait_for('"type": "new"')
                if killed:
                    actor_of(daemon.process.pid, "EncoderActor").kill()
                wait_for_verdicts(folder, hook)
                assert daemon.end() == 0
            assert messages(hook) == VERIFIED
        found[killed] = {(e["id"], e["type"], e["start"], e["end"]) for e in published(folder)}
    assert len(found[False]) == 7
    assert found[True] == found[False]


VERDICTS = {"confirmed": 3, "rejected": 3}
VERIFIED = {
    ("alert", "hold", "red"),
    ("alert", "label", "red"),
    ("alert", "label", "blue"),
    ("alert.verdict", "label", "red"),
    ("alert.verdict", "label", "blue"),
    ("alert", "only_confirmed", "red"),
}


def confirms_red(asked: Asked) -> dict[str, object]:
    """Look at the pictures that were sent, and confirm what is red."""
    seen = [Image.open(BytesIO(jpeg)).resize((1, 1)).tobytes() for jpeg in asked.jpegs]
    return CONFIRMED if any(red > blue + 99 for red, _, blue in seen) else REJECTED


def wait_for_verdicts(folder: Path, hook: Receiver) -> None:
    """Wait until all events have ended with their verdicts, and what is sent of them has arrived."""
    log = LogView(StateLayout(folder / "state").event_log)

    def verdicts() -> Counter[str]:
        last = {record.event.id: record.event for record in log.all()}
        return Counter(e.verification.verdict for e in last.values() if e.verification and e.type == "end")

    wait_until(lambda: verdicts() == VERDICTS, 60)
    wait_until(lambda: messages(hook) >= VERIFIED, 60)


def messages(hook: Receiver) -> set[tuple[str, str, str]]:
    """Return what was sent of which event, and in which scene it began."""
    sent = [
        (one.json["type"].removeprefix("watchword."), subject["event"])
        for one in hook.got
        for subject in one.json["data"]["alerts"]
    ]
    return {(kind, event["event"], "red" if event["start"] < 10 else "blue") for kind, event in sent}


def actor_of(pid: int, name: str) -> psutil.Process:
    """Return the process of a daemon's only actor of a class."""
    children = psutil.Process(pid).children(recursive=True)
    (actor,) = [c for c in children if name in " ".join(c.cmdline())]
    return actor


@pytest.mark.ray
def test_a_killed_stream_is_started_again(tmp_path: Path) -> None:
    config = write_config(tmp_path, cameras={"endless": {"url": ENDLESS}}, events=ALWAYS, runtime="ray")
    with running(config, tmp_path) as daemon:
        daemon.wait_for('"type": "new"')
        actor = actor_of(daemon.process.pid, "StreamActor")
        loaded = {Path(m.path).name for m in actor.memory_maps()}
        assert any("libav" in name for name in loaded)
        assert not any("torch" in name for name in loaded)  # seconds and 200 MiB, which only the services need
        assert actor.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert actor.nice() == psutil.Process(daemon.process.pid).nice()
        assert actor.rlimit(psutil.RLIMIT_DATA)[0] < 4 << 30
        actor.kill()
        daemon.wait_for("stream failed, restarting it")
        for _ in range(300):
            if daemon.log().count('"type": "new"') == 2:
                break
            time.sleep(0.1)
        assert daemon.log().count('"type": "new"') == 2
        with client(daemon) as http:
            until(http, 'watchword_stream_up{camera="endless"} 1.0')
            assert http.get("/readyz").status_code == 200
        assert daemon.end() == 0
    assert [event["type"] for event in published(tmp_path)] == ["end", "end"]


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with running(write_config(tmp_path, cameras={"endless": {"url": ENDLESS}}, events=ALWAYS), tmp_path) as daemon:
        daemon.wait_for("models loaded")
        daemon.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        assert daemon.end(signal.SIGINT) in (130, 0)  # 0: the orderly end was quicker than the second signal


def test_a_closed_terminal_ends_it_in_order(tmp_path: Path) -> None:
    """The daemon's output is gone then, too: nothing that it wants to say may stop the drain."""
    ours, its = pty.openpty()
    config = write_config(tmp_path, cameras={"endless": {"url": ENDLESS}}, events=ALWAYS)
    command = ["setsid", "--ctty", *WATCHWORD, "run", str(config)]
    daemon = subprocess.Popen(command, stdin=its, stdout=its, stderr=its)
    os.close(its)
    seen = b""
    while b'"type": "new"' not in seen:
        seen += os.read(ours, 4096)
    os.close(ours)
    assert daemon.wait(20) == 0
    assert [event["type"] for event in published(tmp_path)] == ["end"]


@pytest.mark.long
@pytest.mark.ray
def test_a_signal_while_models_load_under_ray_is_no_crash(tmp_path: Path) -> None:
    config = write_config(tmp_path, cameras={"endless": {"url": ENDLESS}}, events=ALWAYS, runtime="ray")
    with running(config, tmp_path) as daemon:
        root = psutil.Process(daemon.process.pid)
        while not any("EncoderActor" in name for name in _titles(root)):
            assert "models loaded" not in daemon.log()
            assert daemon.process.poll() is None
        assert daemon.end() == -signal.SIGTERM
        assert "SIGTERM received" not in daemon.log()


def _titles(root: psutil.Process) -> list[str]:
    titles = []
    for child in root.children(recursive=True):
        with suppress(psutil.Error):
            titles.append(" ".join(child.cmdline()))
    return titles


def test_events_wait_on_disk_while_redis_is_away_and_arrive_once(tmp_path: Path) -> None:
    port = closed_port()
    redis = {"url": f"redis://:{SECRET}@127.0.0.1:{port}/0"}
    write_colours(tmp_path / "good.mp4", RED_TWICE)
    config = write_config(tmp_path, cameras=GOOD, events=RED, redis=redis)
    done = watchword("run", config, "--once", "--json")
    assert done.returncode == 4
    assert len(json_lines(done.stdout)) == 2
    assert SECRET not in done.stdout + done.stderr
    (tmp_path / "state").joinpath("redis").mkdir(exist_ok=True)
    server = EmbeddedServer(tmp_path / "state")
    url = server.start()
    try:
        config = write_config(tmp_path, cameras=GOOD, events=RED, redis={"url": url})
        again = watchword("run", config, "--once", "--json")
        assert again.returncode == 0, again.stderr
        assert len(published(tmp_path)) == 2
        assert len(published(tmp_path, all_revisions=True)) == 4
    finally:
        server.stop()


def until(http: httpx.Client, line: str) -> str:
    """Return the metrics once they have a line: they are a snapshot taken twice a second."""
    for _ in range(100):
        text = http.get("/metrics").text
        if line in text:
            return text
        time.sleep(0.1)
    raise AssertionError(f"no {line!r} in {text}")


@pytest.mark.parametrize("command", ["run", "check"])
def test_ten_mistakes_are_told_at_once(command: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "redis: {url: http://x}\nmodels: {profile: huge}\ncameras:\n  a b: {url: a.mp4}\n  c: {url: c.mp4, fsp: 1}\n"
        "  d: {url: d.mp4, fps: -1}\n  e: {url: e.mp4, events: [nothing]}\n  f: {audio: maybe, url: f.mp4}\n"
        "events:\n  cat: {describe: [], threshold: 2}\n  dog: {describe: a dog, min_duration: soon}\n"
    )
    done = watchword(command, path)
    assert done.returncode == 2
    assert done.stderr.count("config.yaml:") == 10, done.stderr
    assert 'did you mean "fps"' in done.stderr


def test_it_ends_within_ten_seconds_though_redis_never_answers(tmp_path: Path) -> None:
    with unresponsive() as mute:
        config = write_config(
            tmp_path, cameras={"endless": {"url": ENDLESS}}, events=ALWAYS, redis={"url": f"redis://{mute}/0"}
        )
        with running(config, tmp_path) as daemon:
            daemon.wait_for('"type": "new"')
            began = time.monotonic()
            assert daemon.end() == 4  # not everything is in Redis
            assert time.monotonic() - began <= 10.0, daemon.log()
    log = EventLog(tmp_path / "state" / "events")
    assert [r.event.type for r in log.reader("redis").next(100)][-1] == "end"
    log.close()
