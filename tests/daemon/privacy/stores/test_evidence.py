"""Clips and pictures in folders of days, here and elsewhere: retention and forgetting reach all of them."""

import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.privacy.kinds import kind_of_file
from daemon.privacy.stores.evidence import EvidenceData
from daemon.privacy.stores.store import Limits, Places
from workers.events.erasures import Scope
from workers.events.folder import EvidenceFolder
from workers.events.timestamps import iso
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout
from workers.time_note import time_note

NOW = time.time()
DAY = 86_400.0
START = NOW - 2 * DAY


def places(root: Path, *folders: EvidenceFolder) -> Places:
    return Places(StateLayout(root), None, False, lambda ids, before: 0, evidence=folders)


def write(root: Path, name: str, start: float, end: float, size: int = 1000, note: bool = True) -> Path:
    """Write a file of an event from ``start`` to ``end``, as if then."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    said = time_note(start, end).encode() if note else b""
    path.write_bytes(b"head" + said + bytes(size - 4 - len(said)))
    os.utime(path, (end, end))
    return path


def event(root: Path, number: int, start: float, end: float, roll_s: float = 5.0) -> list[Path]:
    base = f"door/{iso(start)[:10]}/cat-cafe{number:02d}"
    return [
        write(root, f"{base}.jpg", start - 1, end + 1),
        write(root, f"{base}.explain.png", start - 1, end + 1),
        write(root, f"{base}.mp4", start - roll_s, end + roll_s, 5000),
    ]


def test_every_file_belongs_to_a_kind() -> None:
    for name in ("cat-1.jpg", "cat-1.explain.png", "cat-1.mp4"):
        for folder in ("evidence/door", "evidence/door/2026-05-01"):
            kind = kind_of_file(Path(folder) / name)
            assert kind is not None
            assert kind.name == "evidence"


def test_all_files_of_the_events_of_an_interval_go_and_of_neighbours_the_clip_that_shows_some_of_it(
    tmp_path: Path,
) -> None:
    state = places(tmp_path)
    first, second, third = (event(state.layout.evidence, n, START + 60 * n, START + 60 * n + 20) for n in range(3))
    data = EvidenceData(state)
    scope = Scope("door", START + 62, START + 64)
    assert data.event_ids(scope) == {"cafe01"}
    assert sorted(data.items(scope, frozenset({"cafe01"}))) == sorted(map(str, second))
    near = Scope("door", START + 82.5, START + 84)  # only the time after the second event
    assert data.event_ids(near) == set()
    assert data.items(near, frozenset()) == [str(second[2])]
    data.remove(data.items(near, frozenset()))
    assert data.items(near, frozenset()) == []
    assert all(p.exists() for p in (*first, *second[:2], *third))
    assert data.event_ids(Scope("yard", START, NOW)) == set()


def test_clips_of_files_go_by_when_they_were_written(tmp_path: Path) -> None:
    state = places(tmp_path)
    root = state.layout.evidence
    made = [
        write(root, f"uploads/party/cat-cafe{n:02d}.{e}", 0, NOW - n * 600, 1000, False)
        for n in (1, 2)
        for e in ("jpg", "mp4")
    ]
    data = EvidenceData(state)
    scope = Scope("uploads", NOW - 700, NOW)
    assert data.event_ids(scope) == {"cafe01"}
    data.remove(data.items(scope, frozenset({"cafe01"})))
    assert [p.exists() for p in made] == [False, False, True, True]


def test_the_oldest_go_first_and_empty_days_with_them(tmp_path: Path) -> None:
    state = places(tmp_path)
    old, young = (
        event(state.layout.evidence, n, NOW - days * DAY, NOW - days * DAY + 5) for n, days in ((1, 9), (2, 3))
    )
    data = EvidenceData(state)
    assert data.expire(Limits(NOW - 14 * DAY, 100_000)) == 0
    assert data.expire(Limits(NOW - 5 * DAY)) == 3
    assert not old[0].parent.exists()
    assert all(p.exists() for p in young)
    assert data.expire(Limits(None, 5500)) == 2
    assert [p.exists() for p in young].count(True) == 1


@pytest.fixture
def remote() -> RedactedUrl:
    return RedactedUrl(f"memory://{uuid4().hex}/cameras")


def test_a_remote_folder_is_searched_erased_and_expired_as_well(tmp_path: Path, remote: RedactedUrl) -> None:
    folder = EvidenceFolder(tmp_path / "evidence", remote)
    assert folder.remote is not None
    state = places(tmp_path, folder)
    for path in event(tmp_path / "made", 1, START, START + 5) + event(tmp_path / "made", 2, START + 60, START + 65):
        folder.remote.put(path.relative_to(tmp_path / "made").as_posix(), path)
    waiting = event(folder.local, 3, START + 120, START + 125)
    data = EvidenceData(state)
    assert data.event_ids(Scope("door", START, START + 1)) == {"cafe01"}
    assert data.event_ids(Scope("door", START + 121, START + 122)) == {"cafe03"}
    items = data.items(Scope("door", START, START + 1), frozenset({"cafe01"}))
    assert len(items) == 3
    data.remove(items)
    assert {f.name.rpartition("-")[2][:6] for f in folder.remote.files("door")} == {"cafe02"}
    assert all(p.exists() for p in waiting)
    later = time.time() + 60  # not NOW: what is far away was written just now, long after this file was imported
    assert data.expire(Limits(later)) == 6
    assert folder.remote.files() == []


def test_a_folder_of_its_own_is_kept_as_well_as_the_one_of_before(tmp_path: Path) -> None:
    state = places(tmp_path, EvidenceFolder(tmp_path / "elsewhere"))
    before = event(state.layout.evidence, 1, START, START + 5)
    now = event(tmp_path / "elsewhere", 2, START, START + 5)
    data = EvidenceData(state)
    assert data.event_ids(Scope("door", START, START + 1)) == {"cafe01", "cafe02"}
    assert data.expire(Limits(NOW)) == 6
    assert not any(p.exists() for p in (*before, *now))
