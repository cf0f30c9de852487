"""Real little videos, and a tagger that really decodes them: it knows red, green and blue."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from alignment.errors import WatchwordError
from daemon.offline.tagging import EventsFor, OnProgress
from tests.support.events import make_event
from workers.errors import SourceInvalid
from workers.events.event import Event
from workers.types import EventSpec, Utterance

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}
FPS = 5

MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]


@dataclass(frozen=True)
class Result:
    path: Path
    events: tuple[Event, ...]
    duration_s: float
    error: WatchwordError | None
    warnings: tuple[str, ...]
    transcript: tuple[Utterance, ...] = ()
    event_warnings: tuple[str, ...] = ()


class ColourTagger:
    """One event for each stretch in which the picture has the colour that a description names."""

    def __init__(self) -> None:
        self.asked: dict[Path, tuple[EventSpec, ...]] = {}

    def __call__(self, files: Sequence[Path], events_for: EventsFor, on_progress: OnProgress) -> Iterator[Result]:
        for path in files:
            self.asked[path] = tuple(events_for(path))
            try:
                colours = _colours(path)
            except av.FFmpegError as e:
                error = SourceInvalid(f"no media ({e.strerror})", "check the file")
                yield Result(path, (), 0.0, error, ())
                continue
            on_progress(path, len(colours) / FPS, len(colours) / FPS)
            events = tuple(e for spec in self.asked[path] for e in _events(spec, colours))
            yield Result(path, events, len(colours) / FPS, None, () if len(colours) > FPS else ("very short",))

    def watch(self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress) -> tuple[Result, None]:
        (result,) = self([path], lambda _: events, on_progress)
        return result, None


def _colours(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        means = [f.to_ndarray(format="rgb24").mean(axis=(0, 1)) for f in container.decode(video=0)]
    return [list(COLOURS)[int(np.argmax(mean))] for mean in means]


def _events(spec: EventSpec, colours: Sequence[str]) -> Iterator[Event]:
    wanted = [any(colour in words for words in spec.describe) for colour in colours] + [False]
    edges = np.flatnonzero(np.diff(np.array([False, *wanted]).astype(int)))
    for start, end in edges.reshape(-1, 2) / FPS:
        yield make_event(
            type="end",
            id=f"{spec.name}-{start}",
            revision=1,
            camera="upload",
            event=spec.name,
            start=float(start),
            end=float(end),
            score=float(min(1.0, (end - start) / 4)),
            description=spec.describe,
            modalities={"vision": 1.0, "speech": 0.0, "sound": 0.0},
            evidence={"snapshot": None, "clip": None, "top_frames": [], "words": []},
            model="colours",
        )


@pytest.fixture
def tagger() -> ColourTagger:
    return ColourTagger()


@pytest.fixture
def make_video() -> MakeVideo:
    def make(path: Path, scenes: Sequence[tuple[str, int]]) -> Path:
        """Write (colour, seconds) after (colour, seconds)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for colour, seconds in scenes:
                picture = np.full((48, 64, 3), COLOURS[colour], np.uint8)
                for _ in range(seconds * FPS):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make
