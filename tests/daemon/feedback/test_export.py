"""What was judged becomes annotations that training and evaluation read."""

from pathlib import Path

from alignment.evaluation.annotations import parse_annotations
from daemon.feedback.export import FILE, export
from daemon.feedback.types import Click
from tests.support.events import make_event
from workers.events.event import Event
from workers.events.folder import EvidenceFolder
from workers.time_note import time_note


def clicked(event: Event, verdict: str) -> Click:
    return Click(event.id, event.camera, event.event, "key", verdict, 0.0, b"", event.to_json())  # type: ignore[arg-type]


def live(number: int, folder: Path, note: str | None) -> Event:
    """A live event with a clip that begins five seconds before it."""
    path = folder / "door" / "2026-01-02" / f"{number}.mp4"
    if note is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"ftyp" + note.encode() + bytes(100))
    evidence: dict[str, object] = {"snapshot": None, "clip": str(path), "top_frames": [], "words": []}
    return make_event(number, live=True, start=1e9, end=1e9 + 4, evidence=evidence)


def test_clips_of_cameras_and_files_become_annotations(tmp_path: Path) -> None:
    evidence, note = EvidenceFolder(tmp_path / "evidence"), time_note(1e9 - 5, 1e9 + 15)
    film = tmp_path / "done" / "holiday.mp4"
    film.parent.mkdir()
    film.write_bytes(b"film")
    source = {"file": "2026/holiday.mp4", "name": "holiday.mp4", "sha256": "ab" * 32, "duration": 60.0}
    clicks = [
        clicked(live(1, evidence.local, note), "right"),
        clicked(live(2, evidence.local, note), "wrong"),
        clicked(live(3, evidence.local, None), "right"),
        *(clicked(make_event(10 + i, start=float(10 * i), end=10.0 * i + 4, source=source), "right") for i in (2, 1)),
        clicked(make_event(20, source=source, description=["a dog"]), "wrong"),
    ]
    out = tmp_path / "out"
    lines, gone = export(clicks, evidence, {"2026/holiday.mp4": film}, out)
    assert (lines, gone) == (4, [clicks[2].event_id])
    found = parse_annotations((out / FILE).read_text(encoding="utf-8").splitlines(), FILE)
    assert [(a.query, a.vid, a.duration, a.windows) for a in found] == [
        ("a cat", "0001cafe", 20.0, ((5.0, 9.0),)),
        ("a cat", "0002cafe", 20.0, ()),
        ("a cat", "holiday-abababab", 60.0, ((10.0, 14.0), (20.0, 24.0))),
        ("a dog", "holiday-abababab", 60.0, ()),
    ]
    assert {p.name for p in out.iterdir()} == {FILE, "0001cafe.mp4", "0002cafe.mp4", "holiday-abababab.mp4"}
    assert (out / "holiday-abababab.mp4").read_bytes() == b"film"
