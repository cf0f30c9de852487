"""The state folder: one daemon, one version, kept through updates and crashes."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alignment.file_io import replacing
from daemon.service import state_folder as state
from daemon.service.state_folder import VERSION, StateFolder, StateInUse, StateNewer, StateUnusable, require_known
from tests.support.disks import crashes
from tests.support.programs.daemon import RED, running, watchword, write_config
from tests.support.videos.media import every, make_video
from workers.state_layout import StateLayout

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(root: Path) -> dict[str, bytes]:
    """All files but the lock and the version, which opening writes, and the spool, which it removes."""
    files = (p for p in root.rglob("*") if p.is_file() and p.name not in ("lock", "schema"))
    files = (p for p in files if "spool" not in p.parts)
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def write_spool(root: Path, published: int) -> Path:
    """Write a spool of the version before with three events, of which so many are published."""
    spool = root / "spool"
    spool.mkdir(parents=True)
    lines = [b'00000000 {"seq":%d,"at":1.0,"event":{}}\n' % seq for seq in (1, 2, 3)]
    (spool / "00000000000000000001.seg").write_bytes(b"".join(lines[:2]))
    (spool / "00000000000000000003.seg").write_bytes(lines[2] + b'torn {"seq"' if published < 3 else b"")
    (spool / "cursor").write_text(f"{published}")
    (spool / "open.json").write_text("[]")
    (spool / "lock").touch()
    return spool


@pytest.fixture
def before_versions(tmp_path: Path) -> Path:
    """A state folder as the daemon left it before it had a version: its events are published, the rest is kept."""
    root = tmp_path / "old" / "state"
    layout = StateLayout(root)
    for name in ("evidence/door", "budgets", "redis/appendonlydir"):
        (root / name).mkdir(parents=True)
    write_spool(root, 3)
    (layout.budgets / "door.json").write_text('{"version": 1}')
    (layout.budgets / "door.new").write_text('{"vers')
    (layout.evidence / "door" / "1.jpg").write_bytes(b"picture")
    (layout.redis / "appendonlydir" / "appendonly.aof.1.incr.aof").write_bytes(b"*1\r\n")
    (layout.budgets / "door.json").chmod(0o644)
    return root


def test_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "a" / "state"
    with StateFolder(root) as layout:
        assert {p.name for p in root.iterdir()} == {
            "lock",
            "schema",
            "alerts",
            "feedback",
            "events",
            "budgets",
            "evidence",
            "index",
            "redis",
        }
        assert {mode(p) for p in (root, *layout.folders)} == {0o700}
        assert {mode(p) for p in (layout.lock, layout.schema)} == {0o600}
        assert layout.schema.read_text() == f"{VERSION}\n"


def test_a_second_owner_is_refused_by_name(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        with pytest.raises(
            StateInUse, match=rf"{tmp_path} is in use by process {os.getpid()} \(.+\) since 20"
        ) as error:
            StateFolder(tmp_path).open()
        assert error.value.exit_code == 2
        require_known(tmp_path)  # who only reads needs no lock
    StateFolder(tmp_path).open().lock.write_text("not ours")  # what it says is for people only


@pytest.mark.process
def test_a_killed_owner_does_not_block(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from daemon.service.state_folder import StateFolder
folder = StateFolder(Path({str(tmp_path)!r}))
folder.open()
print("open", flush=True)
import time; time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout
    assert "open\n" in iter(process.stdout.readline, "")
    with pytest.raises(StateInUse, match=f"process {process.pid} "):
        StateFolder(tmp_path).open()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with StateFolder(tmp_path) as layout:
        assert layout.lock.read_text().startswith(f"process {os.getpid()} (")


@pytest.mark.process
def test_a_full_disk_does_not_keep_the_owner_out(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        pass
    code = f"""
import resource, signal
from pathlib import Path
from daemon.service.state_folder import StateFolder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # the kernel refuses every byte, as on a full disk
StateFolder(Path({str(tmp_path)!r})).open()
"""
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)


@pytest.mark.process
def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        cameras={"one": {"url": str(make_video(tmp_path / "one.mp4", every(40, 100))), "audio": False}},
        events=RED,
    )
    with running(config, tmp_path) as first:
        first.wait_for("listening")
        second = watchword("run", config)
        assert second.returncode == 2
        assert f"is in use by process {first.process.pid} (" in second.stderr
        assert "error [state_in_use]" in second.stderr
        first.end(signal.SIGKILL)
    with StateFolder(tmp_path / "state"):
        pass


def test_an_old_folder_is_brought_up_to_date_and_keeps_everything(before_versions: Path) -> None:
    old = contents(before_versions)
    del old["budgets/door.new"]
    with StateFolder(before_versions) as layout:
        assert contents(before_versions) == old
        assert mode(layout.budgets / "door.json") == mode(layout.evidence / "door" / "1.jpg") == 0o600
        assert mode(layout.evidence / "door") == 0o700
        assert layout.schema.read_text() == f"{VERSION}\n"
    with StateFolder(before_versions):
        assert contents(before_versions) == old


@pytest.mark.process
def test_an_update_that_is_cut_off_anywhere_is_done_by_the_next_start(tmp_path: Path, before_versions: Path) -> None:
    writer = """
    from daemon.service.state_folder import StateFolder

    def write(disk, tell):
        with StateFolder(disk / "state"):
            tell("open")
    """
    old = contents(before_versions)
    del old["budgets/door.new"]
    found = list(crashes(tmp_path / "runs", writer, before_versions.parent))
    assert len(found) > 30
    for crash in found:
        with StateFolder(crash.disk / "state") as layout:
            assert contents(layout.root) == old, crash
            assert layout.schema.read_text() == f"{VERSION}\n", crash
            assert mode(layout.evidence / "door") == 0o700, crash
            assert not list(layout.root.glob("spool*")), crash


@pytest.mark.parametrize("version", [0, 1])
def test_a_spool_in_which_events_wait_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    root = tmp_path / "state"
    spool = write_spool(root, published=2)
    if version:
        (root / "schema").write_text("1\n")
    before = {p: p.read_bytes() for p in spool.iterdir()}
    for _ in range(2):
        with pytest.raises(StateUnusable, match=f"events wait in {spool}.+ let the version before") as error:
            StateFolder(root).open()
        assert error.value.exit_code == 2
    assert {p: p.read_bytes() for p in spool.iterdir()} == before
    assert (root / "schema").read_text() == "1\n", "the version before can still open it"
    spool.rename(tmp_path / "away")
    with StateFolder(root) as layout:
        assert layout.schema.read_text() == f"{VERSION}\n"


def test_a_live_event_that_is_open_in_a_spool_waits_as_well(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, published=3)
    (spool / "open.json").write_text('[{"id": "1"}]')
    with pytest.raises(StateUnusable, match="events wait in"):
        StateFolder(tmp_path).open()
    (spool / "open.json").write_text("[]")
    with StateFolder(tmp_path):
        assert not spool.exists()


@pytest.mark.process
def test_a_new_folder_survives_a_crash_anywhere(tmp_path: Path) -> None:
    writer = """
    from daemon.service.state_folder import StateFolder

    def write(disk, tell):
        with StateFolder(disk / "deep" / "state"):
            tell("open")
    """
    for crash in crashes(tmp_path, writer):
        with StateFolder(crash.disk / "deep" / "state") as layout:
            assert layout.schema.read_text() == f"{VERSION}\n", crash


def test_steps_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fails_once(layout: StateLayout) -> None:
        done.append("b")
        if done.count("b") == 1:
            raise OSError(28, "No space left on device", str(layout.event_log))

    steps = (lambda _: done.append("a"), fails_once, lambda _: done.append("c"))
    monkeypatch.setattr(state, "MIGRATIONS", steps)
    monkeypatch.setattr(state, "VERSION", 3)
    with pytest.raises(StateUnusable, match="events: No space left"):
        StateFolder(tmp_path).open()
    with StateFolder(tmp_path) as layout:
        assert done == ["a", "b", "b", "c"]
        assert layout.schema.read_text() == "3\n"


@pytest.mark.process
def test_a_newer_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as layout:
        layout.schema.write_text(f"{VERSION + 1}\n")
    for attempt in (StateFolder(tmp_path).open, lambda: require_known(tmp_path)):
        with pytest.raises(StateNewer, match=f"version {VERSION + 1}, this program knows up to {VERSION}"):
            attempt()
    assert layout.schema.read_text() == f"{VERSION + 1}\n"
    shown = watchword("events", "list", "--state-dir", tmp_path)
    assert (shown.returncode, "state_newer" in shown.stderr) == (2, True)


@pytest.mark.parametrize("damage", [b"", b"one", b"\0\0", b"\xff"])
def test_a_damaged_version_is_not_guessed(tmp_path: Path, damage: bytes) -> None:
    with StateFolder(tmp_path) as layout:
        pass
    layout.schema.write_bytes(damage)
    with pytest.raises(StateUnusable, match="does not say a version"):
        StateFolder(tmp_path).open()


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as layout:
        pass
    (layout.evidence / "door").mkdir()
    with replacing(layout.evidence / "door" / "1.jpg") as part:
        part.write_text("half")
        shutil.copy(part, part.with_suffix(".7.part"))
    assert len(list((layout.evidence / "door").iterdir())) == 2
    with StateFolder(tmp_path):
        assert [p.name for p in (layout.evidence / "door").iterdir()] == ["1.jpg"]


def test_what_still_ends_of_a_killed_daemon_may_finish_its_files_meanwhile(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as layout:
        pass
    for number in range(2000):
        (layout.evidence / f".{number}.part").touch()
    parts = list(layout.evidence.iterdir())

    def finish() -> None:
        while parts[0].exists():  # until the start is at it: it will still ask for those that are gone
            pass
        for part in reversed(parts):
            part.unlink(missing_ok=True)

    other = threading.Thread(target=finish)
    other.start()
    with StateFolder(tmp_path):
        other.join()
        assert not list(layout.evidence.iterdir())


@pytest.mark.parametrize("place", ["/proc/self/state", "file", "file/state"])
def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match=rf"{place} cannot be used: .+ — set state_dir to") as error:
        StateFolder(tmp_path / place).open()
    assert error.value.exit_code == 2
