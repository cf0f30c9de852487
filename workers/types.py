"""What passes between the stages of one stream's work. Frozen; every array states shape, dtype and unit.

*Stream seconds* run on one axis per camera, from 0 at the first frame or sound of a file, and as Unix time for a live
stream. They never step back: a discontinuity starts a new *epoch* on the same axis.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32, F64, Modality
from workers.redaction import RedactedUrl

U8 = NDArray[np.uint8]

SAMPLE_RATE_HZ = 16_000
KEYFRAME_HOP_S = 4.0  # how far a clip may reach where frames come as the camera's key frames do


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """The picture an encoder wants. ``crop``: shortest side to size, centre cut out; ``squash``: both sides to size."""

    width: int
    height: int
    fit: Literal["crop", "squash"]


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a source may ask for before it is refused: nobody knows who made a file or answers for a camera."""

    max_pixels: int = 36_000_000  # of one picture: 8192 x 4320 is allowed
    max_fps: float = 1000.0  # pictures a second of a file
    max_duration_s: float = 7 * 86_400.0  # of a file
    max_streams: int = 64
    max_pixel_rate: int = 60 * max_pixels  # pixels a second that are decoded: 8192 x 4320 at 60 pictures a second
    memory_mib: int = 2048  # of the process that decodes, beyond what it has when it opens its source


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One input to watch, as the runtime needs it."""

    name: str
    url: RedactedUrl
    fps: float | Literal["keyframes"] = 1.0
    audio: bool = True
    audio_track: int | None = None  # which audio stream; None: the container's default, else its first
    events: tuple[str, ...] = ()
    blur_faces: bool = False  # before anything is embedded, kept or sent
    loop: bool = False  # a file that starts again at its end, for soak tests and demonstrations
    priority: int = 5
    open_timeout_s: float = 10.0
    read_timeout_s: float = 5.0
    stall_timeout_s: float = 15.0
    limits: MediaLimits = MediaLimits()  # set by the worker, from the settings that all cameras share
    hosts: tuple[str, ...] = ()  # besides the URL's own: whom its playlists and redirects may name

    @property
    def hop_s(self) -> float:
        """Return the seconds from one frame to the next."""
        return KEYFRAME_HOP_S if self.fps == "keyframes" else 1.0 / self.fps


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One described event with the rule that decides it."""

    name: str
    describe: tuple[str, ...]
    unlike: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] | None = None  # None: chosen from the wording
    threshold: float | None = None
    max_false_alerts_per_hour: float | None = None
    min_duration_s: float | None = None
    merge_gap_s: float | None = None
    cooldown_s: float = 0.0
    priority: int = 5


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What opening a source told. ``key`` names its content (file) or its session (live) in event ids."""

    key: str
    live: bool
    has_video: bool
    has_audio: bool
    width: int = 0
    height: int = 0
    duration_s: float | None = None  # None: unknown or endless


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Sampled frames, already resized; all of one epoch, in rising time."""

    camera: str
    epoch: int
    pts_s: F64  # [N] stream seconds
    wall_time: F64  # [N] Unix seconds when each frame was received
    frames: U8  # [N, H, W, 3] RGB


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Consecutive sound of one epoch; gaps in the source are filled with silence, so times hold to one sample."""

    camera: str
    epoch: int
    start_s: float  # stream seconds of the first sample
    samples: F32  # [n] mono at SAMPLE_RATE_HZ, -1..1

    @property
    def end_s(self) -> float:
        """Return the time behind the last sample, stream seconds."""
        return self.start_s + len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Interruption:
    """A live stream broke off. What comes next, whenever that is, is of ``epoch``: nothing more of those before it."""

    camera: str
    epoch: int


SourceItem = FrameBatch | AudioChunk | Interruption


@dataclass(frozen=True, slots=True)
class VoicedChunk:
    """Sound in which someone may be speaking, to be transcribed in one go."""

    camera: str
    epoch: int
    start_s: float
    samples: F32  # [n] mono at SAMPLE_RATE_HZ
    priority: int = 5
    lead_s: float = 0.0  # sound before the first voice, seconds
    trail_s: float = 0.0  # sound after the last voice, seconds


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something said. Times in stream seconds; ``confidence`` 0..1 is the mean token probability."""

    start_s: float
    end_s: float
    text: str
    confidence: float
    language: str


@dataclass(frozen=True, slots=True)
class SoundTags:
    """Probability of each tag of ``SOUND_TAGS`` along time."""

    epoch: int
    t: F64  # [N, 2] start and end, stream seconds
    p: F32  # [N, K]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model a feature comes from; ``id`` goes into event ids and metrics."""

    id: str  # profile/name@revision
    profile: str
    name: str
    revision: str
    dim: int
    licence: str
    device: str
    size_mb: float


@dataclass(frozen=True, slots=True)
class Event:
    """One revision of one event, as it is published. ``body`` is the JSON document of ``publish/event.schema.json``."""

    type: Literal["new", "update", "end"]
    id: str
    revision: int
    camera: str
    event: str
    start: float
    end: float
    score: float
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event went. ``entry`` is the Redis entry id; None while it waits in the spool."""

    id: str
    revision: int
    entry: str | None
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """A source's counters, copied at one moment; metrics are made of these."""

    up: bool = False
    frames_decoded: int = 0
    frames_sampled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> frames
    reconnects: dict[str, int] = field(default_factory=dict)  # error code -> times
    last_frame_wall: float | None = None
    last_sound_wall: float | None = None  # of a live stream
    last_error: str | None = None  # code: message, without credentials
    epoch: int = 0
