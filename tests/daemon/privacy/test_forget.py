"""A camera's stretch of time is forgotten: every byte of it, while the daemon runs and when it does not."""

import json
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from typer.testing import CliRunner

from alignment.aligners.explanation import Explanation
from alignment.types import Span
from daemon.captions.store import CaptionStore
from daemon.captions.types import Described, Written
from daemon.commands.forget import app
from daemon.config.sections.privacy import RetentionConfig
from daemon.privacy.forgetting import FORMAT, read_receipt
from daemon.privacy.forgetting import forget as forget_here
from daemon.privacy.kinds import kind_of_file, kind_of_key
from daemon.privacy.retention import Janitor
from daemon.privacy.stores.store import Places
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from daemon.service.state_folder import StateFolder
from tests.support.clocks import wait_until
from tests.support.events import make_live
from tests.support.programs.daemon import PARCEL, RED, json_lines, published, running, watchword, write_config
from tests.support.streams.pipelines import write_visit
from workers.decisions.frames import FrameKeeper
from workers.events.erasures import Scope
from workers.events.event import Event
from workers.events.evidence import EvidenceStore
from workers.events.explain_picture import ExplanationCard
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import RedisSink
from workers.redaction import RedactedUrl
from workers.services.state import StateService
from workers.state_layout import StateLayout
from workers.types import EventSpec, FrameBatch, Utterance

pytestmark = pytest.mark.process

EVENTS = PARCEL | RED
QUIET = {"yard": {"url": "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"}}
T0 = 1_700_000_000.0


def iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


def residue(folder: Path, *texts: str) -> dict[str, list[str]]:
    """Return which files hold which texts."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found = {t: [name for name, data in files.items() if t.encode() in data] for t in texts}
    return {text: names for text, names in found.items() if names}


def unclaimed(state: Path, url: str | None) -> list[str]:
    """Return what no kind of data claims, on disk and in Redis."""
    files = [p.relative_to(state) for p in state.rglob("*") if p.is_file()]
    keys = list(redis.Redis.from_url(url, decode_responses=True).scan_iter()) if url else []
    return [str(p) for p in files if kind_of_file(p) is None] + [
        k for k in keys if kind_of_key(k, "watchword:events") is None
    ]


def forget(config: Path, camera: str, since: float, until: float, *options: str) -> subprocess.CompletedProcess[str]:
    times = ("--from", iso(since), "--to", iso(until))
    return watchword("forget", "--config", config, "--camera", camera, *times, *options)


def live_event(number: int, start: float, word: str) -> Event:
    return make_live(number, camera="door", text=word, start=start, end=start + 5)


def picture_of(state: Path, event: Event, word: str, level: int) -> None:
    """Save the pictures of an event as its stream would have, and a caption."""
    layout = StateLayout(state)
    service, t = StateService(layout.evidence, layout=layout), np.array([event.start + 1])
    store = EvidenceStore(service, event.camera)
    noise = np.random.default_rng(level).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    store.keep(FrameBatch(event.camera, 0, t, t, noise))
    best = ((event.start + 1, 0.9),)
    span = Span("cat", event.start, event.end, 0.9, False, (1.0, 0.0, 0.0), best, 0.5)
    heard = [Utterance(event.start, event.end, word, 0.9, "en")]
    card = ExplanationCard(event.camera, True, EventSpec("cat", ("a cat",)), span, Explanation((), best, best), heard)
    assert store.save(event.id, card, draw=True).explanation
    FrameKeeper(service, store).keep(event.id, card, "end")
    when = (event.start, event.end)
    written = Written("en", "tiny", "caption-1")
    CaptionStore(layout.captions).add(Described(event.id, 0, event.camera, "key", None, *when, *when, word, written))


def plant(state: Path, count: int = 6) -> list[tuple[Event, str]]:
    """Leave ``count`` live events, one a minute: in Redis, on disk though published, and in pictures."""
    made = [(live_event(n, T0 + 60 * n, f"word{n}zyx"), f"word{n}zyx") for n in range(count)]
    with EmbeddedServer(state) as url:
        sink = RedisSink(RedisSettings(RedactedUrl(url)), EventLog(StateLayout(state).event_log))
        sink.publish([event for event, _ in made])
        assert sink.flush(20)
        sink.close()
    for number, (event, word) in enumerate(made):
        picture_of(state, event, word, number)
    return made


def test_without_a_daemon_nothing_is_left_of_an_interval_and_all_of_the_rest(tmp_path: Path) -> None:
    config, state = write_config(tmp_path, cameras=QUIET, events=EVENTS), tmp_path / "state"
    made = plant(state)
    inside, outside = made[2:4], [*made[:2], *made[4:]]
    pixels = {e.id: next((state / "evidence").glob(f"door/*/*-{e.id}.jpg")).read_bytes()[-400:] for e, _ in made}
    look = forget(config, "door", T0 + 118, T0 + 190, "--json")
    assert json.loads(look.stdout) == {
        "events": sorted(e.id for e, _ in inside),
        "would_remove": {
            "log": 2,
            "evidence": 4,
            "alerts": 0,
            "captions": 2,
            "index": 0,
            "samples": 0,
            "frames": 2,
            "feedback": 0,
            "uploads": 0,
            "events": 2,
            "budgets": 0,
        },
    }
    assert residue(state, *(word for _, word in inside)), "a look removes nothing"

    done = forget(config, "door", T0 + 118, T0 + 190, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert residue(state, *(t for e, word in inside for t in (word, e.id))) == {}
    assert set(residue(state, *(word for _, word in outside))) == {word for _, word in outside}
    files = [p.read_bytes() for p in state.rglob("*") if p.is_file()]
    kept = {e: any(part in data for data in files) for e, part in pixels.items()}
    assert kept == {e.id: (e, w) in outside for e, w in made}
    assert {e["id"] for e in published(tmp_path)} == {e.id for e, _ in outside}

    with EmbeddedServer(state) as url:  # whose snapshots are compressed: a search of the bytes could overlook something
        client = redis.Redis.from_url(url, decode_responses=True)
        client.config_set("rdbcompression", "no")
        client.bgrewriteaof()
        wait_until(lambda: set(residue(state / "redis", *(w for _, w in made))) == {w for _, w in outside}, 20)
    (receipt,) = (state / "privacy" / "receipts").iterdir()
    told = read_receipt(receipt)
    assert told == {k: v for k, v in json.loads(done.stdout).items() if k != "digest"}
    assert (told["format"], told["removed"]["events"], told["left"]["events"]) == (FORMAT, 2, 0)
    receipt.write_text(receipt.read_text().replace('"events": 2', '"events": 1'))
    with pytest.raises(ValueError, match="changed"):
        read_receipt(receipt)
    assert unclaimed(state, None) == []


def test_whoever_holds_the_state_forgets_while_it_publishes(tmp_path: Path) -> None:
    """A writer that never rests: nothing of the interval stays, nothing else is lost or told twice."""
    config, state = write_config(tmp_path, cameras=QUIET, events=EVENTS), tmp_path / "state"
    done, count = threading.Event(), 0
    with StateFolder(state) as layout, EmbeddedServer(state) as url:
        redis_settings = RedisSettings(RedactedUrl(url))
        sink = RedisSink(redis_settings, EventLog(layout.event_log))
        retention = RetentionConfig.model_validate({"events": "forever"})
        janitor = Janitor(Places(layout, redis_settings, True, sink.erase), retention)
        janitor.start()

        def write() -> None:
            nonlocal count
            while not done.is_set():
                sink.publish([live_event(1000 + count, T0 + 1000 + count, "another")])
                count += 1
                time.sleep(0.005)

        for number in range(200):
            sink.publish([live_event(number, T0 + number, f"word{number}zyx")])
        writer = threading.Thread(target=write)
        writer.start()
        answer = forget(config, "door", T0 - 10, T0 + 300, "--yes", "--json")
        done.set()
        writer.join()
        assert sink.flush(20)
        sink.close()
        janitor.stop(5)
        assert answer.returncode == 0, answer.stderr
        told = json.loads(answer.stdout)
        assert (told["removed"]["events"], len(told["events_sha256"])) == (200, 200)
        assert janitor.removed["events", "forget"] == 200
        entries: Any = redis.Redis.from_url(url, decode_responses=True).xrange("watchword:events")
        left = [int(v["id"][:4], 16) for _, v in entries]
        assert left == list(range(1000, 1000 + count))
        wait_until(lambda: not [t for t in residue(state, "zyx") if t], 10)
    assert not list((layout.privacy / "requests").iterdir())


def test_a_request_that_fails_says_why(tmp_path: Path) -> None:
    config = write_config(tmp_path, cameras=QUIET, events=EVENTS, redis={"url": "redis://127.0.0.1:1/0"})
    with StateFolder(tmp_path / "state") as layout:
        away = RedisSettings(RedactedUrl("redis://127.0.0.1:1/0"))
        janitor = Janitor(Places(layout, away, False, lambda ids, before: 0), RetentionConfig())
        janitor.start()
        answer = forget(config, "door", T0, T0 + 9, "--yes")
        janitor.stop(5)
    assert answer.returncode == 4
    assert "redis" in answer.stderr.lower()
    assert not list((layout.privacy / "requests").iterdir())


@pytest.mark.timeout(400)  # three processes load their models, one after the other
def test_the_running_daemon_forgets_and_does_not_tell_again(tmp_path: Path) -> None:
    """A file's events, and an upload's with it, are forgotten; watched again they are neither kept nor published."""
    visit = write_visit(tmp_path / "visit.mp4", 19)
    cameras = {"hall": {"url": str(visit)}}
    folders = {"folder": "inbox", "done": "done"}
    config = write_config(tmp_path, cameras=cameras, events=EVENTS, uploads=folders, speech={"enabled": True})
    state, since = tmp_path / "state", datetime.now().timestamp()
    (tmp_path / "inbox").mkdir()
    shutil.copy(visit, tmp_path / "inbox")
    with running(config, tmp_path) as daemon:
        daemon.wait_for("upload done")
        daemon.wait_for('"camera": "hall", "event": "stream finished"')
        seen = {line["id"] for line in json_lines(daemon.log()) if line["event"] == "event"}
        wait_until(lambda: {e["id"] for e in published(tmp_path)} == seen, 60)
        events = published(tmp_path)
        assert {e["camera"] for e in events} == {"hall", "uploads"}
        assert unclaimed(state, EmbeddedServer.discover(state)) == []
        told = secrets(events)
        assert len(residue(state, *told)) == len(told) > 4
        for camera in ("hall", "uploads"):
            done = forget(config, camera, since, datetime.now().timestamp(), "--yes")
            assert done.returncode == 0, done.stderr
        wait_until(lambda: residue(state, *told) == {}, 10)
        assert not [p for p in (state / "evidence").rglob("*") if p.is_file()]
        assert not list((tmp_path / "done").glob("*.mp4"))
        assert published(tmp_path) == []
        told |= forgotten_while_watched(tmp_path, config)
        assert daemon.end() == 0
    again = watchword("run", config, "--once", "--json")
    assert (again.returncode, json_lines(again.stdout)) == (0, []), again.stderr
    assert residue(state, *told) == {}
    assert unclaimed(state, None) == []


def forgotten_while_watched(folder: Path, config: Path) -> set[str]:
    """Forget a long upload while it is watched; the next one is watched as ever. Return what must not be found."""
    since, inbox, state = datetime.now().timestamp(), folder / "inbox", folder / "state"
    visit = folder / "visit.mp4"
    long, short = ("-stream_loop", "230", "-i", visit), ("-i", visit, "-t", "17", "-an")  # 73 minutes, and no word
    for cut, path in ((long, folder / "long.mp4"), (short, folder / "short.mp4")):
        subprocess.run(["ffmpeg", "-v", "error", *cut, "-c", "copy", path], check=True)
    shutil.move(folder / "long.mp4", inbox / "1.mp4")
    shutil.move(folder / "short.mp4", inbox / "2.mp4")
    client: Any = redis.Redis.from_url(EmbeddedServer.discover(state) or "", decode_responses=True)

    def stored() -> list[dict[str, Any]]:
        return [json.loads(entry["body"]) for _, entry in client.xrange("watchword:events")]

    wait_until(lambda: bool(stored()), 60)
    told = secrets(stored())
    done = forget(config, "uploads", since, datetime.now().timestamp(), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["removed"]["uploads"] == 1
    assert receipt["reached"]["upload_interrupted"]
    assert datetime.fromisoformat(receipt["reached"]["to"]) > datetime.fromisoformat(receipt["asked"]["to"])
    wait_until(lambda: (folder / "done" / "2.mp4").exists(), 60)
    wait_until(lambda: [e["type"] for e in stored()][-1:] == ["end"], 30)
    assert {e["evidence"]["words"] == [] and e["event"] for e in stored()} == {"red"}
    assert len({e["segment"] for e in stored()}) == 1
    assert [p.name for p in folder.glob("done/**/*.mp4")] == ["2.mp4"]
    assert list(inbox.iterdir()) == []
    wait_until(lambda: residue(state, *told) == {}, 10)
    return told


def secrets(events: list[dict[str, Any]]) -> set[str]:
    """Return what of events must not be found: ids, and what was said, as JSON writes it."""
    said = {json.dumps(w["text"])[1:-1] for e in events for w in e["evidence"]["words"]}
    return {e["id"] for e in events} | said


def test_what_could_not_be_removed_is_said_and_what_was(tmp_path: Path) -> None:
    config, layout = write_config(tmp_path, cameras=QUIET, events=EVENTS), StateLayout(tmp_path / "state")
    picture_of(layout.root, live_event(1, T0, "word").model_copy(update={"camera": "uploads"}), "word", 1)
    folder = tmp_path / "done" / "a.mp4"  # which cannot be removed as a file is
    folder.mkdir(parents=True)
    UploadRecords(layout.uploads).note(WatchedUpload(str(folder), T0, T0 + 1))
    done = forget(config, "uploads", T0, T0 + 9, "--yes")
    assert done.returncode == 1
    assert "not_forgotten" in done.stderr
    assert (
        "not all of camera uploads is forgotten: 2 of evidence, 1 of captions, 1 of frames was removed, then: [Errno "
        in done.stderr
    )
    assert not (layout.privacy / "receipts").exists()
    folder.rmdir()
    forget_here(Places(layout, None, False, lambda ids, before: 0), Scope("uploads", T0, T0 + 9), pause_s=0)
    assert UploadRecords(layout.uploads).all() == []


def test_mistakes_are_told(tmp_path: Path) -> None:
    config = write_config(tmp_path, cameras=QUIET, events=EVENTS)

    def code(config: Path, camera: str, since: float, until: float) -> int:
        times = ["--from", iso(since), "--to", iso(until)]
        command = ["--config", str(config), "--camera", camera, *times, "--yes"]
        return CliRunner().invoke(app, command).exit_code

    for camera, since, until in (("../..", T0, T0 + 1), ("door", T0 + 1, T0), ("door", T0, 4e9)):
        assert code(config, camera, since, until) == 2
    away = write_config(tmp_path, cameras=QUIET, events=EVENTS, redis={"url": "redis://127.0.0.1:1/0"})
    picture_of(tmp_path / "state", live_event(1, T0, "word"), "word", 1)
    assert code(away, "door", T0, T0 + 9) == 4
    assert list((tmp_path / "state" / "evidence" / "door").iterdir()), "nothing goes where not all can go"
