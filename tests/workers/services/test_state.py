"""The files of all streams, written by one service: whole, one writer a camera, and never at the price of an event."""

import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from workers.events.erasures import Erasures, Scope
from workers.events.evidence import Pictures
from workers.services.proxies import LocalTransport, StateProxy
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.state_layout import StateLayout


def proxy(folder: Path) -> StateProxy:
    """Return the state of a daemon as its streams reach it."""
    return StateProxy(LocalTransport(StateService.of(ServiceSettings(state_dir=folder))))


def test_what_streams_send_lies_where_the_layout_says_for_its_owner_only(tmp_path: Path) -> None:
    state, layout = proxy(tmp_path), StateLayout(tmp_path)
    assert state.load_budgets("door") is None
    state.save_budgets("door", b"{}")
    saved = state.save_pictures("door", "a", b"jpeg", b"png")
    assert saved == Pictures(str(layout.evidence / "door" / "a.jpg"), str(layout.evidence / "door" / "a.explain.png"))
    assert Path(str(saved.snapshot)).read_bytes() == b"jpeg"
    assert Path(str(saved.explanation)).read_bytes() == b"png"
    assert state.load_budgets("door") == (layout.budgets / "door.json").read_bytes() == b"{}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_what_is_not_sent_stays(tmp_path: Path) -> None:
    state = proxy(tmp_path)
    assert state.save_pictures("door", "a", None, None) == Pictures(None, None)
    first = state.save_pictures("door", "a", b"first", b"drawn")
    assert state.save_pictures("door", "a", b"second", None) == first
    assert Path(str(first.snapshot)).read_bytes() == b"second"
    assert Path(str(first.explanation)).read_bytes() == b"drawn"


def test_without_a_state_folder_nothing_is_kept() -> None:
    state = StateService()
    state.save_budgets("door", b"{}")
    assert state.load_budgets("door") is None
    assert state.save_pictures("door", "a", b"jpeg", b"png") == Pictures(None, None)
    assert not state.forbids("door", "a", (1.0, 2.0))
    assert state.erased("door", [(1.0, 2.0)]) == (False,)


def test_a_disk_that_fails_is_logged_and_raises_nothing(tmp_path: Path) -> None:
    for name in ("evidence", "budgets"):
        (tmp_path / name).write_text("a file where the folder should be")
    state = proxy(tmp_path)
    with capture_logs() as logs:
        state.save_budgets("door", b"{}")
        assert state.save_pictures("door", "a", b"jpeg", None) == Pictures(None, None)
        assert state.load_budgets("door") is None
    assert [entry["log_level"] for entry in logs] == ["warning"] * 3


def test_erasures_are_known_as_soon_as_they_are_recorded(tmp_path: Path) -> None:
    state, path = proxy(tmp_path), StateLayout(tmp_path).erasures
    path.parent.mkdir()
    assert not state.forbids("door", "a", (100.0, 110.0))
    Erasures(path).add(Scope("door", 105.0, 120.0), ["b"])
    assert state.forbids("door", "a", (100.0, 110.0))
    assert state.forbids("yard", "b", None)
    assert state.erased("door", [(90.0, 104.0), (104.0, 106.0), (121.0, 122.0)]) == (False, True, False)
    assert state.erased("yard", [(104.0, 106.0)]) == (False,)


@pytest.mark.parametrize("cameras", [("door",) * 8, tuple("abcdefgh")])
def test_a_stream_and_its_successor_do_not_write_into_one_file(cameras: tuple[str, ...], tmp_path: Path) -> None:
    state = proxy(tmp_path)
    sizes = [1_000 * n for n in range(1, len(cameras) + 1)]

    def write(camera: str, size: int) -> None:
        for _ in range(20):
            state.save_budgets(camera, bytes([size // 1_000]) * size)

    with capture_logs() as logs:
        writers = [threading.Thread(target=write, args=pair) for pair in zip(cameras, sizes, strict=True)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert logs == []
    for path in (tmp_path / "budgets").iterdir():
        content = path.read_bytes()
        assert content == bytes([len(content) // 1_000]) * len(content)
    assert len(list((tmp_path / "budgets").iterdir())) == len(set(cameras))
