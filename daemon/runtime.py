"""Where streams run: the Protocol of both runtimes. ``local_runtime``: threads; ``ray_runtime``: actors."""

from dataclasses import dataclass
from typing import Protocol

from workers.aligner_service import AlignerSnapshot
from workers.batching import BatcherSnapshot
from workers.publish.base import SinkSnapshot
from workers.services import EncoderDescription
from workers.snapshots import StreamSnapshot
from workers.speech_queue import SpeechSnapshot
from workers.types import CameraSpec, Event, EventSpec

STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class ServicesSnapshot:
    """The services that all streams share; None where one does not answer or does not exist."""

    encoder: BatcherSnapshot | None
    aligner: AlignerSnapshot | None
    speech: SpeechSnapshot | None
    sink: SinkSnapshot | None


class StreamHandle(Protocol):
    """One running attempt at one camera."""

    def snapshot(self) -> StreamSnapshot:
        """Return how it was last, without waiting; raise ``ServiceLost`` if it died or has long been silent."""
        ...

    def stop(self) -> None:
        """Ask for an orderly end; return at once."""
        ...

    def kill(self) -> None:
        """End it at once, as far as the runtime can."""
        ...


class Runtime(Protocol):
    """Starts the shared services and the streams."""

    def start(self) -> EncoderDescription:
        """Load models and open the spool; raise ``WatchwordError`` where that fails."""
        ...

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Begin to watch."""
        ...

    def snapshot(self) -> ServicesSnapshot:
        """Return how the services are."""
        ...

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        ...

    def end_open(self) -> None:
        """End the events that the last run left open, of cameras that are watched no more as well."""
        ...

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open, by id or as accepted before a Unix time; return how many revisions."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event is published; return whether that came true in time."""
        ...

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services within about this time; streams have been stopped before."""
        ...
