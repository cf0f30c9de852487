"""What was written of an event, of an upload, or of a chapter of one."""

import json
from dataclasses import asdict, dataclass

_UPLOAD = "upload "


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance, translated. Times in stream seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """By what a text was written: the language that was asked for, the model, and the version of the question."""

    language: str
    model: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Described:
    """One text. ``owner``: id of an event, or ``upload_owner``; ``number``: 0 for the whole of it, else a chapter's.

    ``key``: ``SourceInfo.key``; ``file``: of an upload, its path. ``start`` and ``end`` in stream seconds; ``since``
    and ``until`` in Unix seconds: when it happened, of a file when it was watched. ``said``: the transcript, where it
    was to be translated. An upload of which nothing can be written has an empty ``text``.
    """

    owner: str
    number: int
    camera: str
    key: str
    file: str | None
    start: float
    end: float
    since: float
    until: float
    text: str
    written: Written
    title: str = ""
    tags: tuple[str, ...] = ()
    said: tuple[Line, ...] = ()

    @property
    def event_id(self) -> str | None:
        """Return the id of the event; None for an upload."""
        return None if is_upload(self.owner) else self.owner

    @property
    def words(self) -> str:
        """Return all that it can be found by."""
        return "\n".join((self.title, self.text, *self.tags, *(line.text for line in self.said)))

    def to_json(self) -> str:
        """Return the text as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Described":
        """Return what ``to_json`` wrote."""
        document = json.loads(text)
        written, said = Written(**document.pop("written")), tuple(Line(**line) for line in document.pop("said"))
        return cls(**{**document, "tags": tuple(document["tags"])}, written=written, said=said)


def upload_owner(began: float) -> str:
    """Return the owner of an upload that was watched from a Unix time on: one at a time is."""
    return f"{_UPLOAD}{began!r}"


def is_upload(owner: str) -> bool:
    """Return whether an owner is an upload, not an event."""
    return owner.startswith(_UPLOAD)
