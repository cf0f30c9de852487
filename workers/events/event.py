"""One revision of one event: the typed JSON document that is recorded, published and shown.

What others wrote may be read as well, so reading validates all that is shown: types, ranges of times and
probabilities, finite numbers. Fields that are unknown here are kept and written again, for within one schema number
changes only add.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from workers.events.timestamps import EARLIEST_S, LATEST_S, iso
from workers.types import VerifyFallback, VerifyPolicy

SCHEMA_VERSION: Final = 1
MAX_CHARACTERS = 8 << 20
MAX_BUDGET = 1e9  # false alerts an hour
MAX_TRACK = 75  # points

StreamTime = Annotated[float, Field(ge=EARLIEST_S, le=LATEST_S, description="Stream seconds.")]
Probability = Annotated[float, Field(ge=0, le=1)]
Point = tuple[StreamTime, Probability]
IsoTime = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+00:00)$",
        description="ISO 8601 in UTC.",
    ),
]


def _utf8(text: str) -> str:
    """Return text that UTF-8 can hold: names of folders are bytes to Linux, and halves of characters become ``?``."""
    return text.encode(errors="replace").decode()


def _finite(value: JsonValue) -> JsonValue:
    """Return an unknown field as it is; raise ``ValueError`` for NaN and infinity, which JSON does not have."""
    json.dumps(value, allow_nan=False)
    return value


Name = Annotated[str, Field(min_length=1)]
Text = Annotated[str, AfterValidator(_utf8)]


class _Part(BaseModel):
    """Frozen, without conversions of types, open for fields of later versions."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Annotated[JsonValue, AfterValidator(_finite)]] = Field(init=False)


class Rule(_Part):
    """What decided the event."""

    threshold: Probability | None = Field(default=None, description="Probability that was needed when it began.")
    max_false_alerts_per_hour: float | None = Field(
        default=None,
        ge=0,
        le=MAX_BUDGET,
        description="The budget that the threshold follows; null: the threshold is fixed.",
    )
    budget_per_hour: float | None = Field(
        default=None,
        ge=0,
        le=MAX_BUDGET,
        description="The budget that was configured, where the threshold follows a larger one because a verifier "
        "decides after it.",
    )


class Verification(_Part):
    """What a vision-language model, the verifier, says of the event."""

    verdict: Literal["pending", "confirmed", "rejected", "unsure", "unavailable"] = Field(
        description="`unavailable`: there is no verdict, for the reason in `why`; `fallback` applies."
    )
    policy: VerifyPolicy = Field(
        description="`hold`: alerts wait for the verdict; `label`: they do not; `only_confirmed`: only what is "
        "confirmed is alerted."
    )
    fallback: VerifyFallback = Field(description="What is done without a verdict.")
    description: tuple[Text, ...] = Field(
        default=(), description="What the model judges; empty: what describes the event."
    )
    confidence: Probability | None = Field(default=None, description="The model's own, 0 to 1.")
    why: Text = Field(default="", description="One sentence.")
    doubt: Text = Field(default="", description="What would change the model's mind.")
    model: Text | None = None
    latency_s: float | None = Field(default=None, ge=0, description="Seconds from the question to the verdict.")
    prompt: str | None = Field(default=None, description="Version of the question.")
    look: Literal["opening", "end"] | None = Field(
        default=None, description="Whether the model was asked while the event was open, or after its end."
    )


class Caption(_Part):
    """What a vision-language model sees in the event."""

    text: Text
    attributes: tuple[Text, ...] = ()
    language: str = Field(description="Code of the language, like `en`.")
    model: Text
    prompt: str = Field(description="Version of the question.")


class SourceFile(_Part):
    """The file that was watched."""

    file: Text = Field(description="Path: of an upload below the folder of uploads, else as it is configured.")
    name: Text = Field(description="The last part of `file`.")
    sha256: str | None = Field(
        pattern=r"^[0-9a-f]{64}$", description="Hash of the content; null if the file was gone before it was read."
    )
    duration: float | None = Field(ge=0, description="Seconds, as the file declares them; null: it does not.")


class Word(_Part):
    """One utterance that was heard during the event."""

    start: StreamTime
    end: StreamTime
    text: Text
    confidence: Probability


class DetectedObject(_Part):
    """One object that was detected in one of the most probable frames."""

    time: StreamTime
    name: Name
    score: Probability
    box: tuple[Probability, Probability, Probability, Probability] = Field(
        description="Left, top, right and bottom, as parts of the frame's width and height."
    )


class ZoneOutline(_Part):
    """Where in the frame a zone lies."""

    name: Name
    area: tuple[tuple[Probability, Probability], ...] = Field(
        description="Corners, as parts of the frame's width and height."
    )


class EventPart(_Part):
    """One of the events of which a rule over time has made this one, as it was known by then."""

    id: Name
    camera: Name
    event: Name
    start: StreamTime
    end: StreamTime
    score: Probability


class Evidence(_Part):
    """What shows why the event was reported."""

    snapshot: Text | None = Field(description="Path or URL of the frame that shows the event best.")
    snapshot_time: StreamTime | None = Field(
        default=None, description="Time of that frame; the `objects` of the same time are seen in it."
    )
    clip: Text | None = Field(
        description="Path or URL of a short video (MP4). The file is there when the event has ended and the time after "
        "it has passed."
    )
    zones: tuple[ZoneOutline, ...] = Field(
        default=(), description="Outlines of the zones in which the event was looked for."
    )
    explanation: Text | None = Field(
        default=None, description="Path or URL of a picture that shows why the event was reported."
    )
    top_frames: tuple[Point, ...] = Field(description="Times of the frames with the highest probability.")
    objects: tuple[DetectedObject, ...] = Field(
        default=(), description="Objects of the description that were detected in those frames."
    )
    words: tuple[Word, ...] = Field(description="Utterances that were heard.")
    attention: tuple[tuple[Text, Probability], ...] = Field(
        default=(),
        description="Words of the description that were recognised: shares that sum to 1; empty where none were.",
    )
    timeline: tuple[Point, ...] = Field(
        default=(), description="Probability of each clip of the event, before and after it."
    )


class Event(_Part):
    """One revision of one event: revision 0 opens it, later ones update or end it."""

    model_config = ConfigDict(title="Watchword event")

    schema_version: Literal[1] = Field(
        alias="schema", description="Number of this schema; within one number, changes only add."
    )
    type: Literal["new", "update", "end"] = Field(
        description="`new` opens an event, `update` revises it, `end` closes it; an amendment repeats the `end`."
    )
    id: Name = Field(
        description="Same for all revisions; fixed when the event opens, and the same when the input is watched again."
    )
    revision: int = Field(ge=0, description="Rises by one with each revision.")
    amendments: tuple[int, ...] = Field(
        default=(),
        description="Revisions that only added a verdict or a caption, rising; all later ones carry what was added.",
    )
    camera: Name
    event: Name = Field(description="Name of the described event.")
    start: StreamTime = Field(
        description="Stream seconds: offset from the start of a file, Unix time of a live stream."
    )
    end: StreamTime = Field(description="Stream seconds; the end known so far until `type` is `end`.")
    score: Probability = Field(description="Probability that the event happened.")
    start_time: IsoTime | None = Field(description="`start` in ISO 8601, UTC; null for files.")
    end_time: IsoTime | None = Field(description="`end` in ISO 8601, UTC; null for files.")
    start_unix: float | None = Field(description="`start` as Unix seconds; null for files.")
    end_unix: float | None = Field(description="`end` as Unix seconds; null for files.")
    segment: str = Field(description="The stretch of unbroken time of the source in which the event lies.")
    live: bool = Field(description="True for a live stream, false for a file.")
    source: SourceFile | None = Field(
        default=None, description="The file in which the event happened; null for a live stream."
    )
    description: tuple[Text, ...] = Field(description="The words that describe the event.")
    read_as: tuple[Text, ...] = Field(default=(), description="What each of them was taken to mean.")
    parts: tuple[EventPart, ...] = Field(
        default=(),
        description="The events of which a rule over time has made this one, by their start; of an absence the last "
        "event before it.",
    )
    cameras: tuple[Name, ...] = Field(
        default=(), description="Of an event that a rule over time has made: all cameras whose events decide."
    )
    zone: tuple[Name, ...] = Field(
        default=(),
        description="Zones of the camera in which it was looked for, in any of them; empty: in the whole frame.",
    )
    priority: int = Field(description="Priority of the event in the configuration, 0 to 10.")
    score_track: tuple[Point, ...] = Field(max_length=MAX_TRACK, description="Probability along time, thinned out.")
    rule: Rule = Rule()
    verification: Verification | None = Field(default=None, description="Null: the event is not verified.")
    caption: Caption | None = Field(default=None, description="Null: the event was not described.")
    over_budget: bool = Field(
        default=False,
        description="More such events happen than the false-alert budget allows: recorded, but not to be alerted. "
        "May turn false in a later revision, when the event becomes more probable.",
    )
    modalities: dict[str, Probability] = Field(
        description="Share of each kind of evidence in the score: vision, speech, sound."
    )
    evidence: Evidence
    model: str = Field(description="The encoder: profile/name@revision.")
    config_hash: str = Field(description="Changes when the configuration changes what is decided, of any event.")
    produced_at: IsoTime = Field(description="When this revision was written, ISO 8601 in UTC.")
    latency_s: float | None = Field(
        description="Seconds from capture of the deciding frame or audio to this revision; null for files."
    )
    interrupted: bool = Field(
        default=False, description="The stream died during the event: the end is the last that was known of it."
    )

    @property
    def snapshot(self) -> Path | None:
        """Return where the snapshot is on this machine; None if there is none, or if it is kept at a URL."""
        return _local(self.evidence.snapshot)

    @property
    def clip(self) -> Path | None:
        """Return where the clip is on this machine; None if there is none, or if it is kept at a URL.

        The clip of a live event appears there some seconds after the event's end.
        """
        return _local(self.evidence.clip)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the event of a JSON document; raise ``ValueError`` where it is none or breaks the schema."""
        if len(text) > MAX_CHARACTERS:
            raise ValueError("the document is too long")
        return cls.model_validate_json(text)

    def to_json(self) -> str:
        """Return the JSON document on one line, in UTF-8, with all fields that were given."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)

    def to_document(self) -> dict[str, Any]:
        """Return the document as plain dicts, lists and values."""
        document: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return document

    @property
    def stream_revision(self) -> int:
        """Return the number that the stream gave to this revision, or to the one that this one amends."""
        return self.revision - sum(number <= self.revision for number in self.amendments)

    def amended(self, parts: Mapping[str, Verification | Caption], unix_s: float) -> Self:
        """Return the revision after this one, with these fields; nothing else changes."""
        revision = self.revision + 1
        changes = {"type": "update" if self.type == "new" else self.type, "revision": revision}
        numbers: dict[str, Any] = {"amendments": (*self.amendments, revision), "produced_at": iso(unix_s)}
        if self.latency_s is not None:
            later_s = max(0.0, unix_s - datetime.fromisoformat(self.produced_at).timestamp())
            numbers["latency_s"] = round(self.latency_s + later_s, 3)
        return self.model_copy(update={**changes, **numbers, **parts})

    def following(self, last: Self) -> Self:
        """Return this revision of the stream with what was amended, up to ``last``, the last revision that is kept.

        It gets the number that it would have if amendments took theirs away: so numbers rise by one, and a file that
        is watched again gives the same ones.
        """
        revision = self.revision
        for number in last.amendments:  # they rise
            revision += number <= revision
        parts = {name: part for name in ("verification", "caption") if (part := getattr(last, name)) is not None}
        return self.model_copy(update={"revision": revision, "amendments": last.amendments, **parts})

    def interrupted_at(self, unix_s: float) -> Self:
        """Return the end of this event when its stream has died and no more is known than this revision."""
        changes = {"type": "end", "revision": self.revision + 1, "produced_at": iso(unix_s), "interrupted": True}
        return self.model_copy(update=changes)


def _local(place: str | None) -> Path | None:
    return None if place is None or "://" in place else Path(place)
