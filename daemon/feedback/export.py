"""Clicks as annotations for ``watchword train`` and ``eval``: a folder with ``annotations.jsonl`` and the videos.

Of a live event the video is its clip: a right event is in it when the clip says so, a wrong one is nowhere in it. Of a
file it is the file itself, with all right events of a rule; what nobody judged counts as not being there.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignment.file_io import make_folder, replacing
from daemon.feedback.types import Click
from workers.events.event import Event, SourceFile
from workers.events.folder import EvidenceFolder
from workers.time_note import NOTE_BYTES, read_note

FILE = "annotations.jsonl"


@dataclass(slots=True)
class _Video:
    """A video to be exported: where it is, its length in seconds, and the right windows by description."""

    path: Path
    duration: float
    windows: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def export(
    clicks: Sequence[Click], evidence: EvidenceFolder, files: Mapping[str, Path], folder: Path
) -> tuple[int, list[str]]:
    """Write clicks into a folder; return how many lines it has, and the ids of events whose video is gone.

    ``files``: where files are that were watched, by the name that events give them. Raise ``OSError``.
    """
    videos: dict[str, _Video] = {}
    gone = []
    for click in clicks:
        event = Event.from_json(click.body)
        found = _video_of(event, evidence, files)
        if found is None:
            gone.append(event.id)
            continue
        name, video, shift = found
        windows = videos.setdefault(name, video).windows.setdefault(event.description[0], [])
        if click.verdict == "right":
            windows.append((max(0.0, event.start - shift), min(video.duration, event.end - shift)))
    make_folder(folder)
    for name, video in videos.items():
        with replacing(folder / f"{name}{video.path.suffix}") as part:
            shutil.copyfile(video.path, part)
    lines = [json.dumps(line, ensure_ascii=False) for line in _lines(videos)]
    with replacing(folder / FILE) as part:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines), gone


def _video_of(event: Event, evidence: EvidenceFolder, files: Mapping[str, Path]) -> tuple[str, _Video, float] | None:
    """Return name and video of an event, and the stream second with which it begins; None: it is gone."""
    if event.source is not None:
        return _file_of(event.source, files)
    path = evidence.path_of(event.evidence.clip) if event.evidence.clip else None
    if path is None:
        return None
    with path.open("rb") as content:
        note = read_note(content.read(NOTE_BYTES))
    return None if note is None else (event.id, _Video(path, note[1] - note[0]), note[0])


def _file_of(source: SourceFile, files: Mapping[str, Path]) -> tuple[str, _Video, float] | None:
    path = files.get(source.file, Path(source.file))
    if not source.duration or not path.is_file():
        return None
    digest = f"-{source.sha256[:8]}" if source.sha256 else ""
    return f"{path.stem}{digest}", _Video(path, source.duration), 0.0


def _lines(videos: Mapping[str, _Video]) -> Iterator[dict[str, Any]]:
    pairs = ((name, video, query) for name, video in videos.items() for query in video.windows)
    for number, (name, video, query) in enumerate(pairs, 1):
        windows = [[round(start, 3), round(end, 3)] for start, end in sorted(video.windows[query]) if end > start]
        duration = round(video.duration, 3)
        yield {"qid": number, "query": query, "vid": name, "duration": duration, "relevant_windows": windows}
