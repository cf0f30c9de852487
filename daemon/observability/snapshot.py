"""Snapshot of the whole daemon at one moment; health checks and metrics are functions of it.

What belongs to one camera is a field of ``CameraStatus`` and nowhere else: ``only`` hides the cameras that somebody
may not see as whole records, so a new field cannot show them.
"""

from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import Literal

from daemon.config.errors import Problem
from daemon.config.sections.cameras import UPLOADS
from daemon.observability.camera_state import CameraState
from daemon.vlm.types import VlmSnapshot
from workers.decisions.snapshot import StreamSnapshot
from workers.index.types import IndexSnapshot
from workers.publish.base import SinkSnapshot
from workers.services.aligner import AlignerSnapshot
from workers.services.batcher import BatcherSnapshot
from workers.telemetry import HistogramSnapshot
from workers.types import ModelInfo


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """Everything that is known of one camera, over all attempts to run its stream."""

    stream: StreamSnapshot
    state: CameraState = CameraState.STARTING
    idle_s: float = 0.0  # without progress, at the ``beat`` of the snapshot
    unseen_s: float = 0.0  # since its last frame (its last sound, without video), over all attempts, at the ``beat``
    restarts: int = 0
    degraded: bool = False  # the restart budget is used up, and the stream has not run long enough since
    overloaded: bool = False  # work was dropped lately because there was too much
    speech_dropped: int = 0  # pieces of speech that the transcription queue dropped
    sampled_fps: float | None = None  # frames a second that were sampled lately; None: not known yet

    @property
    def name(self) -> str:
        """Return the camera's name."""
        return self.stream.camera


@dataclass(frozen=True, slots=True)
class EncoderSnapshot:
    """The encoder's counters. ``model`` is None until it is loaded."""

    model: ModelInfo | None = None
    batches: dict[int, int] = field(default_factory=dict)  # frames in a forward pass -> how many such passes
    queue_depth: int = 0  # requests that wait
    progress: float | None = None  # monotonic time when the encoder last finished work or had none


@dataclass(frozen=True, slots=True)
class SpeechSnapshot:
    """Speech recognition of all cameras together; drops are counted per camera in ``CameraStatus``."""

    queue_depth: int = 0  # pieces that wait
    failed: int = 0  # pieces for which the recogniser raised an error
    realtime_factor: float = 0.0  # computing time by audio time


@dataclass(frozen=True, slots=True)
class TargetSnapshot:
    """One target of alerts, since the start. ``up``: the last attempt arrived. ``latency``: capture to delivery."""

    up: bool
    delivered: int  # messages
    dead: int
    failures: int  # attempts
    waiting: int
    oldest_s: float  # age of the oldest message that waits
    latency: HistogramSnapshot  # seconds


@dataclass(frozen=True, slots=True)
class AlertsSnapshot:
    """Alerts by target, and how many were suppressed by reason, since the start."""

    targets: dict[str, TargetSnapshot] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerificationSnapshot:
    """Second opinions on events since the start; ``waiting`` counts those that are being looked at too.

    ``latency``: seconds from the acceptance of the revision that asked for a look to its verdict. ``failures`` are
    counts by code of the reasons for which there was no verdict.
    """

    waiting: int
    oldest_s: float
    latency: HistogramSnapshot
    verdicts: dict[str, int]
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class CaptionsSnapshot:
    """Captions since the start. ``waiting``: events; ``made``: texts by kind (event, upload), and none: given up."""

    waiting: int
    made: dict[str, int]


LeftReason = Literal["ending", "hidden", "link", "special", "unreadable", "not_moved"]
LEFT_ALONE: dict[LeftReason, str] = {
    "ending": "its ending is not one of a media file",
    "hidden": "its name begins with a dot",
    "link": "links are not followed",
    "special": "it is neither a file nor a folder",
    "unreadable": "the folder cannot be read",
    "not_moved": "it was processed, but cannot be moved",
}
"""Why something in the folder of uploads is not processed, by the reason in the metric."""


NAMED = 100


@dataclass(frozen=True, slots=True)
class UploadsSnapshot:
    """Counts of files in the folder of uploads: tagged, not readable, waiting, and left alone by reason.

    Names are paths below the folder, at most ``NAMED`` of each kind; ``errors`` has a reason for each name in ``done``.
    """

    done: int = 0
    failed: int = 0
    waiting: int = 0
    left: dict[LeftReason, int] = field(default_factory=dict)
    current: str | None = None  # name of the file that is being processed
    waiting_names: tuple[str, ...] = ()
    left_names: tuple[tuple[str, LeftReason], ...] = ()
    errors: tuple[tuple[str, str], ...] = ()  # of unreadable files, the latest ones, since the start


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """Which version of the configuration file is in force since when (Unix seconds), and what is not.

    ``problems`` are those of the file as it is now, if it is not valid; ``needs_restart`` names keys.
    """

    version: str = ""  # empty: no file is followed
    loaded: float = 0.0
    valid: bool = True  # whether the file as it is now is in force
    problems: tuple[Problem, ...] = ()
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DaemonSnapshot:
    """The daemon's state. ``beat``: monotonic time of the supervisor's last round; None where nothing supervises."""

    cameras: tuple[CameraStatus, ...] = ()
    encoder: EncoderSnapshot = field(default_factory=EncoderSnapshot)
    detector: BatcherSnapshot | None = None  # where objects are looked for
    aligner: AlignerSnapshot | None = None  # the trained aligner's network, once it is loaded
    speech: SpeechSnapshot | None = None
    publisher: SinkSnapshot | None = None
    index: IndexSnapshot | None = None  # where it is on
    uploads: UploadsSnapshot | None = None  # where a folder is watched
    alerts: AlertsSnapshot | None = None  # where there are targets
    verification: VerificationSnapshot | None = None  # where there is a verifier
    captions: CaptionsSnapshot | None = None  # where there is a verifier
    vlm: tuple[VlmSnapshot, ...] = ()  # vision-language models that are asked
    rules: dict[tuple[str, str], int] = field(default_factory=dict)  # (rule over time, type) -> revisions published
    beat: float | None = None
    removed: dict[tuple[str, str], int] = field(default_factory=dict)  # (kind of data, reason) -> pieces removed
    configuration: ConfigurationStatus = field(default_factory=ConfigurationStatus)

    def only(self, names: Set[str]) -> "DaemonSnapshot":
        """Return the snapshot for somebody who may see the cameras ``names`` (``uploads``: the folder of uploads).

        What all cameras share stays. Alerts, second opinions and rules over time are hidden: their counts show how
        much happens elsewhere. So is removed data: its counts show requests to be forgotten.
        Of the configuration the details are hidden, for they name other cameras.
        """
        return replace(
            self,
            cameras=tuple(camera for camera in self.cameras if camera.name in names),
            index=self.index.only(names) if self.index else None,
            uploads=self.uploads if UPLOADS in names else None,
            alerts=None,
            verification=None,
            captions=None,
            vlm=(),
            rules={},
            removed={},
            configuration=replace(self.configuration, problems=(), needs_restart=()),
        )
