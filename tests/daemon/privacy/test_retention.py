"""What is past its retention goes, a bounded part at a time, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from daemon.config.sections.privacy import RetentionConfig
from daemon.observability.metrics import render_metrics
from daemon.observability.snapshot import DaemonSnapshot
from daemon.privacy.kinds import KINDS, kind_of_key
from daemon.privacy.retention import Janitor
from daemon.privacy.stores import store as places_module
from daemon.privacy.stores.evidence import EvidenceData
from daemon.privacy.stores.feedback import FrameData
from daemon.privacy.stores.store import Limits, Places
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.support.serving.redis import BINARIES, Server, settings_of
from workers.events.erasures import Scope
from workers.events.kept_frames import KeptFrame, pack_frames
from workers.publish.redis.client import RedisSettings
from workers.state_layout import StateLayout

NOW = time.time()
DAY = 86_400.0


def places(root: Path, redis: RedisSettings | None = None) -> Places:
    return Places(StateLayout(root), redis, False, lambda ids, before: 0)


def write(path: Path, age_s: float, size: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def test_every_kind_says_how_long_it_is_kept_and_every_setting_is_of_a_kind() -> None:
    kept = {k.retention for k in KINDS if k.retention}
    assert kept | {"evidence_size", "index_size"} == set(RetentionConfig.model_fields)
    assert all(k.store for k in KINDS if k.retention), "a retention needs what carries it out"
    assert len({k.name for k in KINDS}) == len(KINDS)


@pytest.mark.parametrize("stream", ["watchword:events", "{tag}events"])
def test_keys_of_other_programs_are_not_claimed(stream: str) -> None:
    settings = RedisSettings("embedded", stream)
    from tests.support.events import make_event

    assert kind_of_key(stream, stream).name == "events"  # type: ignore[union-attr]  # None fails as well
    assert kind_of_key(settings.marker(make_event()), stream).name == "markers"  # type: ignore[union-attr]  # as above
    assert kind_of_key("celery", stream) is None


def test_frames_for_a_verifier_go_after_their_time_and_are_found_by_it(tmp_path: Path) -> None:
    state = places(tmp_path)
    folder = state.layout.verification_frames / "door"
    old, live, damaged = (write(folder / f"{n}.safetensors", age) for n, age in (("a", 2 * DAY), ("b", 0), ("c", 0)))
    live.write_bytes(pack_frames([KeptFrame(NOW - 500, b"jpeg")], {"start": NOW - 510, "end": NOW - 490}))
    data = FrameData(state)
    assert data.event_ids(Scope("door", NOW - 500, NOW - 495)) == {"b"}
    assert data.event_ids(Scope("door", NOW - 100, NOW + 100)) == {"c"}, "a damaged file is as old as it was written"
    assert data.expire(Limits(NOW - DAY)) == 1
    assert (old.exists(), live.exists(), damaged.exists()) == (False, True, True)


def test_old_pictures_go_and_then_the_oldest_of_too_many(tmp_path: Path) -> None:
    state = places(tmp_path)
    old, middle, young = (write(state.layout.evidence / "door" / f"{n}.jpg", n * DAY) for n in (20, 10, 1))
    data = EvidenceData(state)
    assert data.expire(Limits(None)) == 0
    assert data.expire(Limits(NOW - 14 * DAY)) == 1
    assert (old.exists(), middle.exists()) == (False, True)
    assert data.expire(Limits(NOW - 14 * DAY, max_bytes=1500)) == 1
    assert (middle.exists(), young.exists()) == (False, True)
    assert data.expire(Limits(NOW - 14 * DAY, max_bytes=1500)) == 0


def test_another_retention_is_that_of_the_next_pass(tmp_path: Path) -> None:
    state = places(tmp_path)
    picture = write(state.layout.evidence / "door" / "a.jpg", 10 * DAY)
    janitor = Janitor(state, RetentionConfig())
    janitor.expire()
    assert picture.exists()
    janitor.change(RetentionConfig.model_validate({"evidence": "7d"}))
    janitor.expire()
    assert not picture.exists()


def test_pictures_of_files_are_found_by_the_events_that_they_show(tmp_path: Path) -> None:
    state = places(tmp_path)
    names = ("clip.cafe01.jpg", "clip.cafe01.explain.png", "cafe02.jpg", "cafe02.explain.png")
    paths = [write(state.layout.evidence / "uploads" / name, 0) for name in names]
    data = EvidenceData(state)
    assert data.event_ids(Scope("uploads", NOW - 60, NOW + 60)) == {"cafe01", "cafe02"}
    assert set(data.items(Scope("uploads", 0, 1), frozenset({"cafe01"}))) == {str(path) for path in paths[:2]}


def test_one_pass_removes_no_more_than_its_limit(tmp_path: Path) -> None:
    state = places(tmp_path)
    for n in range(places_module.EXPIRE_LIMIT + 5):
        write(state.layout.evidence / "door" / f"{n}.jpg", 20 * DAY, 1)
    data = EvidenceData(state)
    assert data.expire(Limits(NOW - DAY)) == places_module.EXPIRE_LIMIT
    assert data.expire(Limits(NOW - DAY)) == 5


def test_a_pass_over_all_kinds_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(str(BINARIES["valkey"]), folder).start()
    try:
        for age in (100, 80, 1):
            server.client.xadd("watchword:events", {"a": "b"}, id=f"{int((NOW - age * DAY) * 1000)}-0")
        state = places(tmp_path / "state", settings_of(server.url))
        write(state.layout.evidence / "door" / "a.jpg", 20 * DAY)
        write(state.layout.budgets / "gone.json", 400 * DAY)
        write(state.layout.budgets / "door.json", DAY)
        upload = write(tmp_path / "done" / "a.mp4", 0)
        UploadRecords(state.layout.uploads).note(WatchedUpload(str(upload), NOW - 9 * DAY, NOW - 9 * DAY))
        janitor = Janitor(state, RetentionConfig())
        janitor.expire()
        assert len(server.client.xrange("watchword:events")) == 2
        assert not (state.layout.budgets / "gone.json").exists()
        assert (state.layout.budgets / "door.json").exists()
        assert upload.exists(), "uploads are kept where nothing is said"
        text = render_metrics(DaemonSnapshot(removed=dict(janitor.removed))).decode()
        for kind, count in {"events": 1, "evidence": 1, "budgets": 1, "uploads": 0}.items():
            assert f'watchword_data_removed_total{{kind="{kind}",reason="retention"}} {count}.0' in text
        Janitor(state, RetentionConfig.model_validate({"uploads": "7d"})).expire()
        assert not upload.exists()
        assert UploadRecords(state.layout.uploads).all() == []
    finally:
        server.kill()


def test_one_kind_that_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    state = places(tmp_path, settings_of("redis://127.0.0.1:1/0"))
    picture = write(state.layout.evidence / "door" / "a.jpg", 20 * DAY)
    Janitor(state, RetentionConfig()).expire()
    assert not picture.exists()
