"""The state of the whole daemon, copied at one moment; metrics and health are functions of it."""

from dataclasses import dataclass, field

from workers.aligner_service import AlignerSnapshot
from workers.publish.base import SinkSnapshot
from workers.snapshots import StreamSnapshot
from workers.speech_queue import SpeechSnapshot
from workers.types import ModelInfo


@dataclass(frozen=True, slots=True)
class EncoderSnapshot:
    """The encoder's counters. ``model`` is None until it is loaded."""

    model: ModelInfo | None = None
    batches: dict[int, int] = field(default_factory=dict)  # frames in a forward pass -> how many such passes
    queue_depth: int = 0  # requests that wait
    progress: float | None = None  # monotonic time when it last finished work or had none


@dataclass(frozen=True, slots=True)
class UploadsSnapshot:
    """Files of the folder of uploads: tagged, not readable, and waiting."""

    done: int = 0
    failed: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class DaemonSnapshot:
    """Everything. ``beat``: monotonic time of the supervisor's last round; None where nothing supervises."""

    streams: tuple[StreamSnapshot, ...] = ()
    encoder: EncoderSnapshot = field(default_factory=EncoderSnapshot)
    aligner: AlignerSnapshot | None = None  # the trained one's network, once it is loaded
    speech: SpeechSnapshot | None = None
    publisher: SinkSnapshot | None = None
    uploads: UploadsSnapshot | None = None  # where a folder is watched
    beat: float | None = None
    idle_s: dict[str, float] = field(default_factory=dict)  # camera -> without progress, at ``beat``
    restarts: dict[str, int] = field(default_factory=dict)  # camera -> how often its stream was started again
    degraded: frozenset[str] = frozenset()  # cameras whose restart budget is used up
    removed: dict[tuple[str, str], int] = field(default_factory=dict)  # (kind of data, reason) -> pieces removed
    overloaded: frozenset[str] = frozenset()  # cameras that lately lost work for want of time
