"""What is kept of an event: the right frames, and never at the price of the event."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignment.aligners.explanation import Explanation
from alignment.types import Span
from workers.events.evidence import KEEP_FRAMES, EvidenceStore, Pictures
from workers.events.explain_picture import ExplanationCard
from workers.services.state import StateService
from workers.types import EventSpec, FrameBatch

SPAN = Span("e", 9.5, 19.5, 0.9, False, (1.0, 0.0, 0.0), ((9.5, 0.9),), 0.5)
BEST = ((12.0, 0.8), (17.0, 0.95))
SHEET = ExplanationCard(
    "cam", False, EventSpec("e", ("e",)), SPAN, Explanation((), ((9.5, 0.9), (12.0, 0.8)), BEST), ()
)


def store(folder: Path | None, first: int = 0, count: int = 30) -> EvidenceStore:
    """A store of frames a second, each as grey as its time."""
    made = EvidenceStore(StateService(folder) if folder else None, "cam")
    t = np.arange(first, first + count, dtype=np.float64)
    frames = np.broadcast_to(t.astype(np.uint8)[:, None, None, None] * 5, (count, 32, 32, 3))
    made.keep(FrameBatch("cam", 0, t, t, np.ascontiguousarray(frames)))
    return made


def test_the_snapshot_is_the_best_moment(tmp_path: Path) -> None:
    saved = store(tmp_path).save("1", SHEET, draw=True)
    folder = tmp_path / "cam" / "file"
    assert saved == Pictures(str(folder / "e-1.jpg"), str(folder / "e-1.explain.png"), None, 17.0)
    with Image.open(str(saved.snapshot)) as picture:
        assert picture.getpixel((16, 16)) == (85, 85, 85)
    assert sorted(p.name for p in folder.iterdir()) == ["e-1.explain.png", "e-1.jpg"]


def test_pictures_show_the_whole_frame_also_where_its_size_changes(tmp_path: Path) -> None:
    kept, t = EvidenceStore(StateService(tmp_path), "cam"), np.arange(30, dtype=np.float64)
    for chosen, size in ((t < 15, (256, 352)), (t >= 15, (256, 448))):
        frames = np.zeros((chosen.sum(), *size, 3), np.uint8)
        frames[:, :, -64:] = 200  # what stands at the right edge
        kept.keep(FrameBatch("cam", 0, t[chosen], t[chosen], frames))
    saved = kept.save("1", SHEET, draw=True)
    with Image.open(str(saved.snapshot)) as picture:
        assert picture.size == (448, 256)
        assert picture.getpixel((440, 128)) == pytest.approx((200, 200, 200), abs=4)
    assert saved.explanation is not None


def test_frames_that_are_gone_are_not_replaced_by_others(tmp_path: Path) -> None:
    saved = store(tmp_path, first=50).save("1", SHEET, draw=True)
    assert saved.snapshot is None
    with Image.open(str(saved.explanation)) as picture:
        lower = picture.height
    whole = store(tmp_path).save("2", SHEET, draw=True)
    with Image.open(str(whole.explanation)) as picture:
        assert picture.height > lower


def test_an_older_picture_is_named_until_it_is_drawn_again(tmp_path: Path) -> None:
    kept = store(tmp_path)
    assert kept.save("1", SHEET, draw=False).explanation is None
    first = Path(str(kept.save("1", SHEET, draw=True).explanation))
    before = first.read_bytes()
    longer = replace(SHEET, span=replace(SPAN, end=25.0))
    assert kept.save("1", longer, draw=False).explanation == str(first)
    assert first.read_bytes() == before
    kept.save("1", longer, draw=True)
    assert first.read_bytes() != before


def test_a_late_revision_whose_frames_are_gone_names_the_snapshot_there_is(tmp_path: Path) -> None:
    first = store(tmp_path).save("1", SHEET, draw=True)
    before = Path(str(first.snapshot)).read_bytes()
    assert store(tmp_path, first=50).save("1", SHEET, draw=True).snapshot == first.snapshot
    assert Path(str(first.snapshot)).read_bytes() == before


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    assert store(None).save("1", SHEET, draw=True) == Pictures(None, None)


def test_a_disk_that_fails_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(28, "No space left on device")

    def fail(*_: object) -> None:
        raise full

    monkeypatch.setattr(os, "replace", fail)
    assert store(tmp_path).save("1", SHEET, draw=True) == Pictures(None, None)
    assert list((tmp_path / "cam" / "file").iterdir()) == []


def test_only_the_last_frames_are_held(tmp_path: Path) -> None:
    kept = store(tmp_path, count=KEEP_FRAMES + 40)
    assert kept.save("1", SHEET, draw=False).snapshot is None


def test_a_link_in_a_pictures_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "evidence" / "cam" / "file"
    folder.mkdir(parents=True)
    for name in ("e-1.jpg", "e-1.explain.png", f".e-1.jpg.{os.getpid()}.part"):
        (folder / name).symlink_to(outside)
    assert store(tmp_path / "evidence").save("1", SHEET, draw=True).snapshot is None  # somebody plays with our files
    (folder / f".e-1.jpg.{os.getpid()}.part").unlink(missing_ok=True)
    assert store(tmp_path / "evidence").save("1", SHEET, draw=True).snapshot
    assert outside.read_text() == "kept"
    assert not any(p.is_symlink() for p in folder.iterdir())
