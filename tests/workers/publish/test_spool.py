import errno
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from publish_kit import make_event

from workers.clock import SystemClock
from workers.errors import SpoolError
from workers.publish.records import Record, encode
from workers.publish.spool import Spool, SpoolFull

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


class FixedClock(SystemClock):
    now = 1000.0
    stepped = 0.0

    def wall(self) -> float:
        return self.now + self.stepped

    def monotonic(self) -> float:
        return 7e6 + self.now


def waiting(spool: Spool) -> list[str]:
    return [record.event.id for record in spool.pending(10_000)]


def events(*numbers: int) -> list:
    return [make_event(n) for n in numbers]


def ids(*numbers: int) -> list[str]:
    return [make_event(n).id for n in numbers]


def test_keeps_order_and_content(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.append(events(1, 2)) == (1, 2)
    assert spool.append(events(3)) == (3,)
    assert [r.event for r in spool.pending(10)] == events(1, 2, 3)
    assert waiting(spool) == ids(1, 2, 3)
    assert [r.seq for r in spool.pending(2)] == [1, 2]


def test_survives_a_new_start_without_what_was_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(events(1, 2, 3))
    spool.ack(2)
    spool.close()
    again = Spool(tmp_path)
    assert waiting(again) == ids(3)
    assert again.append(events(4)) == (4,)
    assert waiting(again) == ids(3, 4)


def test_sequence_goes_on_after_everything_was_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(events(1, 2))
    spool.ack(2)
    spool.close()
    again = Spool(tmp_path)
    assert list(tmp_path.glob("*.seg")) == []
    assert again.append(events(3)) == (3,)


@pytest.mark.parametrize("kept_records", [0, 2])
def test_a_torn_last_record_at_every_byte(tmp_path: Path, kept_records: int) -> None:
    master = tmp_path / "master"
    spool = Spool(master)
    if kept_records:
        spool.append(events(*range(kept_records)))
    whole_before = next(iter(master.glob("*.seg"))).stat().st_size if kept_records else 0
    spool.append([make_event(9, text="é — 猫")])
    spool.close()
    segment = next(iter(master.glob("*.seg")))
    data = segment.read_bytes()
    for cut in range(whole_before, len(data)):
        folder = tmp_path / "torn"
        folder.mkdir(exist_ok=True)
        (folder / segment.name).write_bytes(data[:cut])
        torn = Spool(folder)
        assert waiting(torn) == ids(*range(kept_records)), cut
        assert torn.snapshot().damaged == (0 if cut == whole_before else 1), cut
        if cut % 20 == 0 or cut > len(data) - 3:  # each costs two syncs
            torn.append(events(10))
            torn.close()
            torn = Spool(folder)
            assert waiting(torn) == ids(*range(kept_records), 10), cut
            assert torn.snapshot().damaged == 0
        torn.close()
        for file in folder.iterdir():
            file.unlink()


def test_one_flipped_byte_costs_one_event(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(events(1, 2, 3))
    spool.close()
    segment = next(iter(tmp_path.glob("*.seg")))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    again = Spool(tmp_path)
    assert waiting(again) == ids(1, 3)
    assert again.snapshot().damaged == 1


def test_damage_while_running_is_counted_and_does_not_block(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(events(1, 2))
    segment = next(iter(tmp_path.glob("*.seg")))
    with segment.open("r+b") as file:
        file.seek(20)
        file.write(b"\0\0\0")
    assert waiting(spool) == ids(2)
    assert spool.snapshot().damaged == 1
    assert spool.snapshot().waiting == 1


@pytest.mark.parametrize("cursor", ["", "no number", None])
def test_a_lost_cursor_only_repeats(tmp_path: Path, cursor: str | None) -> None:
    spool = Spool(tmp_path)
    spool.append(events(1, 2))
    spool.ack(1)
    spool.close()
    if cursor is None:
        (tmp_path / "cursor").unlink()
    else:
        (tmp_path / "cursor").write_text(cursor)
    again = Spool(tmp_path)
    assert waiting(again) == ids(1, 2)
    assert again.append(events(3)) == (3,)


def test_segments_go_when_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1500)
    for number in range(10):
        spool.append(events(number))
    assert len(list(tmp_path.glob("*.seg"))) == 5
    spool.ack(9)
    assert len(list(tmp_path.glob("*.seg"))) == 1
    assert waiting(spool) == ids(9)
    spool.ack(10)
    assert spool.snapshot().bytes == 0


def test_the_cap_refuses_counts_and_recovers(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=5000)
    size = len(encode(Record(1, 1e9, make_event(0))))
    taken = 5000 // (size + 20)
    for number in range(taken):
        spool.append(events(number))
    with pytest.raises(SpoolFull, match="full") as caught:
        spool.append(events(100))
    assert caught.value.code == "spool_full"
    assert sum(f.stat().st_size for f in tmp_path.glob("*.seg")) <= 5000
    spool.ack(taken)
    spool.append(events(200))
    assert waiting(spool) == ids(200)


def test_a_refused_batch_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=5000)
    with pytest.raises(SpoolFull):
        spool.append(events(*range(50)))
    assert waiting(spool) == []


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    # A real limit on this process's file size makes the kernel refuse half of the write, as a full disk does.
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from publish_kit import make_event
        from workers.publish.spool import Spool, SpoolFull
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        spool = Spool(Path({str(tmp_path)!r}))
        spool.append([make_event(1)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
        try:
            spool.append([make_event(2), make_event(3)])
            sys.exit(3)
        except SpoolFull as error:
            assert error.code == "spool_full", error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.append([make_event(4)])
        assert [r.event.id for r in spool.pending(9)] == [make_event(1).id, make_event(4).id]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=ENVIRONMENT)
    again = Spool(tmp_path)
    assert waiting(again) == ids(1, 4)
    assert again.snapshot().damaged == 0


def test_kill_minus_nine_keeps_every_event_that_was_taken(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from publish_kit import make_event
        from workers.publish.spool import Spool
        spool = Spool(Path({str(tmp_path)!r}), segment_bytes=5000)
        for number in range(100_000):
            spool.append([make_event(number)])
            print(number, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout
    for line in process.stdout:
        if int(line) >= 40:
            break
    process.kill()
    told = [int(line), *map(int, process.stdout.read().split())][-1]
    process.wait()
    kept = waiting(Spool(tmp_path))
    assert kept[: told + 1] == ids(*range(told + 1))
    assert len(kept) <= told + 2


def test_an_owner_on_its_way_out_is_waited_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    threading.Timer(0.3, spool.close).start()
    Spool(tmp_path, wait_s=10.0).close()


def test_two_owners_are_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match=f"in use by process {os.getpid()}"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_what_json_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match="door/cat revision 0 cannot be written"):
        spool.append([make_event(1, score=float("nan"))])
    spool.append(events(2))
    assert waiting(spool) == ids(2)


def test_an_unusable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be opened: " + os.strerror(errno.ENOTDIR)):
        Spool(tmp_path / "file" / "spool")


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        spool.append(events(1))


def test_counters(tmp_path: Path) -> None:
    clock = FixedClock()
    spool = Spool(tmp_path, clock=clock)
    spool.append(events(1))
    clock.now += 7
    spool.append(events(2))
    both = spool.snapshot()
    assert (both.waiting, both.oldest_s) == (2, 7.0)
    assert both.bytes == next(iter(tmp_path.glob("*.seg"))).stat().st_size
    spool.ack(1)
    assert spool.snapshot().oldest_s == 0.0
    assert 0 < spool.snapshot().bytes < both.bytes


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_stepped_clock_changes_neither_ages_nor_order(tmp_path: Path, hours: int) -> None:
    clock = FixedClock()
    spool = Spool(tmp_path, clock=clock)
    spool.append(events(1))
    clock.now += 7
    clock.stepped = 3600.0 * hours
    spool.append(events(2))
    assert spool.snapshot().oldest_s == 7.0
    assert waiting(spool) == ids(1, 2)
    spool.close()
    again = Spool(tmp_path, clock=clock)  # of another process' past only the wall clock tells
    assert again.snapshot().oldest_s == max(0.0, 7.0 + clock.stepped)
    assert waiting(again) == ids(1, 2)
