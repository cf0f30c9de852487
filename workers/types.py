"""Types passed between the stages of a stream's pipeline. Frozen; every array states shape, dtype and unit.

*Stream seconds* run on one axis per camera, from 0 at the first frame or audio sample of a file, and as Unix time for a
live stream. They never step back: a discontinuity starts a new *segment* on the same axis.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alignment.temporal.rule import TemporalRule
from alignment.types import F32, F64, Modality
from workers.redaction import RedactedUrl

U8 = NDArray[np.uint8]
Polygon = tuple[tuple[float, float], ...]
"""Corners of an area of a frame: x from left to right and y from top to bottom, as shares of its sides, 0 to 1."""
Areas = tuple[Polygon, ...]
"""Areas that count as one: what lies in any of them lies in it."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of the sides of a frame."""

SAMPLE_RATE_HZ = 16_000
SIDE_STEP = 32  # pixels
MAX_ASPECT = 4.0  # cameras of two lenses have 32:9
FOUND_S = 10.0  # after its start an event is usually found: its shortest duration, a hop, what the models take
KEYFRAME_HOP_S = 4.0  # longest reach of a clip if only the camera's key frames are sampled


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """Input format of an encoder, pixels. ``crop``: shortest side to size, centre crop; ``squash``: both sides to size.

    ``whole``: the whole frame with its aspect ratio: the shorter side to ``width`` = ``height``, the other to the
    nearest multiple of ``SIDE_STEP``. Of frames longer than ``MAX_ASPECT`` to 1 both ends are cut off.
    """

    width: int
    height: int
    fit: Literal["crop", "squash", "whole"]

    def resolved(self, width: int, height: int) -> "FrameSpec":
        """Return the format, ``crop`` or ``squash``, of upright source frames of ``width`` x ``height``."""
        if self.fit != "whole":
            return self
        aspect = max(width, height) / min(width, height)
        longer = SIDE_STEP * round(min(aspect, MAX_ASPECT) * self.width / SIDE_STEP)
        size = (longer, self.height) if width > height else (self.width, longer)
        return FrameSpec(*size, "crop" if aspect > MAX_ASPECT else "squash")

    def accepts(self, width: int, height: int) -> bool:
        """Return whether frames of this size are in the format."""
        if self.fit != "whole":
            return (width, height) == (self.width, self.height)
        longer = max(width, height)
        in_range = longer % SIDE_STEP == 0 and longer <= MAX_ASPECT * self.width
        return min(width, height) == self.width and in_range

    def view(self, width: int, height: int) -> Box:
        """Return which part of upright source frames of ``width`` x ``height`` is seen; all of it if they are 0."""
        spec = self.resolved(width, height) if width and height else self
        if spec.fit == "squash" or not (width and height):
            return 0.0, 0.0, 1.0, 1.0
        scale = max(spec.width / width, spec.height / height)
        x, y = (1 - spec.width / (width * scale)) / 2, (1 - spec.height / (height * scale)) / 2
        return x, y, 1 - x, 1 - y

    @property
    def typical(self) -> tuple[int, int]:
        """Return width and height of the frames of most cameras, 16:9."""
        spec = self.resolved(16, 9)
        return spec.width, spec.height


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits above which a source is refused, because files and cameras are untrusted input."""

    max_pixels: int = 36_000_000  # of one frame: 8192 x 4320 is allowed
    max_fps: float = 1000.0  # frames per second of a file
    max_duration_s: float = 7 * 86_400.0  # of a file
    max_streams: int = 64
    max_pixel_rate: int = 60 * max_pixels  # decoded pixels per second: 8192 x 4320 at 60 fps
    memory_mib: int = 2048  # of the decoding process, above its use when it opens its source


@dataclass(frozen=True, slots=True)
class RingLimits:
    """Limits of what is kept of one live stream for clips: seconds, and bytes of memory, whatever the seconds."""

    keep_s: float = 20.0
    max_bytes: int = 32 << 20


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """How clips of events are made: seconds before and after the event, and of the longest clip; bytes of memory.

    ``memory``: for each live stream, of what is kept encoded. Not ``enabled``: snapshots only. ``unusual``: a picture
    of what is unlike the usual is kept, too.
    """

    enabled: bool = True
    pre_s: float = 5.0
    post_s: float = 5.0
    longest_s: float = 60.0
    memory: int = 32 << 20
    unusual: bool = True

    def ring(self, limits: MediaLimits) -> RingLimits:
        """Return what is kept of a live stream: what an event needs that is found ``FOUND_S`` after its start."""
        keep_s = FOUND_S + (self.pre_s + self.post_s if self.enabled else 0.0)
        return RingLimits(keep_s, min(self.memory, (limits.memory_mib << 20) // 4))


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video: an MP4 that shows stream seconds ``start`` to ``end``."""

    start: float
    end: float
    content: bytes


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """The settings of one camera, as the runtime needs them."""

    name: str
    url: RedactedUrl
    fps: float | Literal["keyframes"] = 1.0
    audio: bool = True
    audio_track: int | None = None  # which audio stream; None: the container's default, else its first
    events: tuple[str, ...] = ()
    blur_faces: bool = False  # before frames are embedded, stored or sent
    masks: Areas = ()  # the areas that are looked at; what lies outside is black. Empty: everything
    loop: bool = False  # a file that starts again at its end, for soak tests and demonstrations
    priority: int = 5
    open_timeout_s: float = 10.0
    read_timeout_s: float = 5.0
    stall_timeout_s: float = 15.0
    limits: MediaLimits = MediaLimits()  # set by the worker, from the settings that all cameras share
    clips: bool = True  # whether events get clips, where the settings that all cameras share ask for them
    ring: RingLimits | None = None  # set by the worker: what is kept of a live stream; None: nothing
    hosts: tuple[str, ...] = ()  # hosts that playlists and redirects may name, besides the URL's own
    upload: str | None = None  # path below the folder of uploads, of one of the files that share this name
    results: bool = False  # the last snapshot of a file holds its events and its transcript
    over_time: tuple[TemporalRule, ...] = ()  # of a file: rules that are decided on its events

    @property
    def hop_s(self) -> float:
        """Return the seconds from one frame to the next."""
        return KEYFRAME_HOP_S if self.fps == "keyframes" else 1.0 / self.fps


@dataclass(frozen=True, slots=True)
class Zone:
    """A named area of one camera's frame."""

    name: str
    area: Polygon


VerifyPolicy = Literal["hold", "label", "only_confirmed"]
VerifyFallback = Literal["alert", "suppress"]


@dataclass(frozen=True, slots=True)
class Verify:
    """What the verifier's verdict does to the alerts of one event.

    ``fallback``: what happens without a verdict. ``loosen``: factor by which the first stage's budget is raised.
    ``describe``: what the verifier judges, where that is more than what the first stage looks for.
    """

    policy: VerifyPolicy
    fallback: VerifyFallback
    loosen: float = 1.0
    describe: tuple[str, ...] = ()


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
    priority: int = 5
    zones: tuple[Zone, ...] = ()  # where on its camera it is looked for; empty: in the whole frame
    verify: Verify | None = None  # None: nobody verifies it
    keep_frames: bool = False  # whether some frames of its events are kept, for a second opinion

    @property
    def first_stage_per_hour(self) -> float | None:
        """Return the budget that the first stage must hold: with a verifier after it a larger one than the user's."""
        if self.max_false_alerts_per_hour is None or self.verify is None:
            return self.max_false_alerts_per_hour
        return self.max_false_alerts_per_hour * self.verify.loosen

    @property
    def areas(self) -> Areas:
        """Return the areas of the zones."""
        return tuple(zone.area for zone in self.zones)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Properties of an opened source. ``key`` identifies its content (file) or session (live) in event ids."""

    key: str
    live: bool
    has_video: bool
    has_audio: bool
    width: int = 0
    height: int = 0
    duration_s: float | None = None  # None: unknown or endless
    video_codec: str = ""  # FFmpeg's name: h264
    fps: float | None = None  # frames a second that the video declares; None: it does not say
    audio_codec: str = ""
    audio_hz: int = 0


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Sampled frames, already resized; all of one segment, in rising time."""

    camera: str
    segment: int
    pts_s: F64  # [N] stream seconds
    wall_time: F64  # [N] Unix seconds when each frame was received
    frames: U8  # [N, H, W, 3] RGB


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Consecutive audio of one segment; gaps are filled with silence, so times are exact to one sample."""

    camera: str
    segment: int
    start_s: float  # stream seconds of the first sample
    samples: F32  # [n] mono at SAMPLE_RATE_HZ, -1..1

    @property
    def end_s(self) -> float:
        """Return the end of the last sample, stream seconds."""
        return self.start_s + len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Interruption:
    """A live stream was interrupted. The next items belong to ``segment``; earlier segments have ended."""

    camera: str
    segment: int


SourceItem = FrameBatch | AudioChunk | Interruption


@dataclass(frozen=True, slots=True)
class VoicedChunk:
    """Audio that may contain speech, to be transcribed as one unit."""

    camera: str
    segment: int
    start_s: float
    samples: F32  # [n] mono at SAMPLE_RATE_HZ
    priority: int = 5
    lead_s: float = 0.0  # audio before the first voice, seconds
    trail_s: float = 0.0  # audio after the last voice, seconds


@dataclass(frozen=True, slots=True)
class Utterance:
    """A transcribed utterance. Times in stream seconds; ``confidence`` 0..1 is the mean token probability."""

    start_s: float
    end_s: float
    text: str
    confidence: float
    language: str


@dataclass(frozen=True, slots=True)
class SoundTags:
    """Probability of each class of sound along time."""

    segment: int
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
class Receipt:
    """Result of publishing an event. ``duplicate``: this revision, or the event's end, was already published."""

    id: str
    revision: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """A consistent copy of a source's counters, from which metrics are computed."""

    up: bool = False
    frames_decoded: int = 0
    frames_sampled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> frames
    failures: dict[str, int] = field(default_factory=dict)  # error code -> connections that failed or were lost
    reconnects: dict[str, int] = field(default_factory=dict)  # error code -> times that it was lost and came back
    last_frame_wall: float | None = None
    last_sound_wall: float | None = None  # of a live stream
    last_error: str | None = None  # code: message, without credentials
    passed_over: tuple[str, ...] = ()  # tracks of the input that cannot be decoded here
    has_video: bool = True  # False: only sound is expected
    segment: int = 0
    kept_bytes: int = 0  # of a live stream, encoded, for clips
    kept_full: bool = False  # the memory for that is nearly used up
    stamps_doubted: bool = False  # of a live stream: time stamps do not run with time, arrival is used
