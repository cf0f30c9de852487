"""An upload folder whose streams the test ends."""

from pathlib import Path

from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.privacy.stores.uploads import UploadRecords
from daemon.service.supervisor import Supervisor
from daemon.service.uploads import UploadFolder
from tests.support.clocks import FakeClock
from workers.decisions.results import FileResults
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.errors import SourceError
from workers.types import CameraSpec


class Stream:
    """A stream over a file, which the test ends."""

    def __init__(self, camera: CameraSpec) -> None:
        self.path, self.camera = camera.url.reveal(), camera
        self.state = StreamSnapshot(CAMERA, StreamState.RUNNING)
        self.asked = False

    def snapshot(self) -> StreamSnapshot:
        return self.state

    def stop(self) -> None:
        self.asked = True

    def kill(self) -> None: ...

    def end(self, failure: SourceError | None = None, results: FileResults | None = None) -> None:
        state = StreamState.FAILED if failure else StreamState.FINISHED
        self.state = StreamSnapshot(CAMERA, state, failure=failure, results=results)


class Streams:
    def __init__(self) -> None:
        self.started: list[Stream] = []

    def start_stream(self, camera: CameraSpec, events: object) -> Stream:
        self.started.append(Stream(camera))
        return self.started[-1]


class Inbox:
    """An upload folder with its supervisor."""

    def __init__(self, folder: Path, done: Path | None = None, sidecars: bool = False) -> None:
        self.inbox, self.done = folder / "inbox", done or folder / "done"
        self.streams, self.clock = Streams(), FakeClock()
        self.records = UploadRecords(folder / "uploads.jsonl")
        self.uploads = UploadFolder(self.inbox, self.done, (), self.records, sidecars=sidecars, clock=self.clock)
        self._supervisor = Supervisor(self.streams, self.clock, raise_illegal=True)  # type: ignore[arg-type]  # only start_stream is asked

    def steps(self, count: int = 4, apart_s: float = 0.5) -> None:
        for _ in range(count):
            self.clock.now += apart_s
            self._supervisor.step()
            self.uploads.step(self._supervisor)
        self._supervisor.step()

    def names(self) -> list[str]:
        return [Path(s.path).name for s in self.streams.started]
