"""JSON of summaries and of their short videos."""

from pydantic import BaseModel, Field


class SummaryEvent(BaseModel):
    """One event, in short."""

    id: str
    event: str
    description: tuple[str, ...]
    start: float
    end: float
    score: float
    over_budget: bool
    snapshot: bool = Field(description="Whether it has a picture.")


class SummaryThumbnail(BaseModel):
    """What `moments/picture.jpg` is asked for, to show a moment."""

    key: str
    at: float


class SummaryClip(BaseModel):
    """Which clip shows a moment."""

    event: str = Field(description="Id of the event whose clip it is.")
    at: float = Field(description="Second of the clip.")


class SummaryMoment(BaseModel):
    """One telling moment; times as in events."""

    camera: str
    live: bool
    start: float
    end: float
    best: float
    novelty: float | None = Field(description="How unlike all else of that camera, in robust standard deviations.")
    events: tuple[SummaryEvent, ...] = Field(description="What happens in it, the surest first.")
    clip: SummaryClip | None
    picture: float | None = Field(description="`at` of the camera's `unusual.jpg`, where no event happens in it.")
    thumbnail: SummaryThumbnail | None = Field(description="A smaller picture, where no event happens in it.")


class SummaryCamera(BaseModel):
    """One live camera."""

    name: str
    events: int
    novelty: tuple[tuple[float, float], ...] = Field(description="Novelty along time; empty: it is not known.")


class SummaryRule(BaseModel):
    """How often a rule has reported something."""

    event: str
    count: int
    over_budget: int
    cameras: tuple[str, ...]


class SummaryFile(BaseModel):
    """A file that was watched in that time."""

    file: str
    events: int


class TimedEvent(SummaryEvent):
    """One event of the timeline."""

    camera: str


class DaySummaryBody(BaseModel):
    """What live cameras saw in a stretch of time."""

    since: float
    until: float
    cameras: tuple[SummaryCamera, ...]
    rules: tuple[SummaryRule, ...]
    moments: tuple[SummaryMoment, ...] = Field(description="In order of time.")
    events: tuple[TimedEvent, ...]
    files: tuple[SummaryFile, ...]
    notes: tuple[str, ...] = Field(description="What is not known, and why.")


class SummaryTag(BaseModel):
    """What is seen or heard in a file."""

    name: str
    kind: str = Field(description="seen or heard")
    seconds: float
    best: float


class SummaryChapter(BaseModel):
    """One chapter of a file."""

    start: float
    end: float
    title: str = Field(description="Empty where nothing is known.")


class FileSummaryBody(BaseModel):
    """What one file shows."""

    file: str
    duration: float
    tags: tuple[SummaryTag, ...]
    chapters: tuple[SummaryChapter, ...]
    highlights: tuple[SummaryMoment, ...]
    novelty: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]


class DescribedChapter(SummaryChapter):
    """One chapter, in a verifier's words."""

    text: str = Field(description="One sentence.")


class TranslatedLine(BaseModel):
    """One utterance, translated."""

    start: float
    end: float
    text: str


class FileDescription(BaseModel):
    """What a verifier wrote of a file."""

    title: str
    text: str
    tags: tuple[str, ...]
    chapters: tuple[DescribedChapter, ...]
    transcript: tuple[TranslatedLine, ...] = Field(description="Empty unless `models.verifier.translate` is set.")
    language: str
    model: str
    prompt: str = Field(description="Version of the question.")


class VideoOrder(BaseModel):
    """What a short video is to show: a stretch of time, or an upload."""

    since: float | None = Field(default=None, ge=0, description="Unix seconds.")
    until: float | None = Field(default=None, ge=0, description="Unix seconds; default: now.")
    camera: str | None = Field(default=None, max_length=100)
    upload: str | None = Field(default=None, max_length=500, description="Name as in /uploads.")
    h264: bool = Field(default=False, description="Encode again what is no H.264; takes a while.")


class VideoMoment(BaseModel):
    """Where in a video a moment is shown."""

    start: float = Field(description="Beginning of the moment, stream seconds.")
    camera: str
    at: float = Field(description="Second of the video.")
    seconds: float


class ShortVideo(BaseModel):
    """One video."""

    url: str
    seconds: float
    moments: tuple[VideoMoment, ...]


class ShortVideos(BaseModel):
    """One video for all moments that can follow each other without being encoded again, the longest first."""

    videos: tuple[ShortVideo, ...]
