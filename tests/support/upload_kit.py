"""An upload folder whose streams the test ends."""

from pathlib import Path

from fake_clock import FakeClock

from daemon.privacy.uploads import UploadRecords
from daemon.supervisor import Supervisor
from daemon.uploads import CAMERA, UploadFolder
from workers.errors import SourceError
from workers.snapshots import StreamSnapshot
from workers.types import CameraSpec


class Stream:
    """A stream over a file, which the test ends."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state = StreamSnapshot(CAMERA, "running")
        self.asked = False

    def snapshot(self) -> StreamSnapshot:
        return self.state

    def stop(self) -> None:
        self.asked = True

    def kill(self) -> None: ...

    def end(self, failure: SourceError | None = None) -> None:
        self.state = StreamSnapshot(CAMERA, "failed" if failure else "finished", failure=failure)


class Streams:
    def __init__(self) -> None:
        self.started: list[Stream] = []

    def start_stream(self, camera: CameraSpec, events: object) -> Stream:
        self.started.append(Stream(camera.url.reveal()))
        return self.started[-1]


class Inbox:
    """An upload folder with its supervisor."""

    def __init__(self, folder: Path, done: Path | None = None) -> None:
        self.inbox, self.done = folder / "inbox", done or folder / "done"
        self.streams, self.clock = Streams(), FakeClock()
        self.records = UploadRecords(folder / "uploads.jsonl")
        self.uploads = UploadFolder(self.inbox, self.done, (), self.records, clock=self.clock)
        self._supervisor = Supervisor(self.streams, self.clock)  # type: ignore[arg-type]  # only start_stream is asked

    def steps(self, count: int = 4, apart_s: float = 0.5) -> None:
        for _ in range(count):
            self.clock.now += apart_s
            self._supervisor.step()
            self.uploads.step(self._supervisor)
        self._supervisor.step()

    def names(self) -> list[str]:
        return [Path(s.path).name for s in self.streams.started]
