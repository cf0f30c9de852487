"""What a verifier is asked to write: the questions, and the form of their answers.

A change of any of them changes ``PROMPT``, which is kept with each text. What others wrote (rules, speech, captions of
before) is data of a question, never part of its instructions.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from daemon.vlm.types import Picture, Question
from workers.events.event import Event

PROMPT = "caption-1"
TEXT, TITLE, TAG = 600, 80, 40  # characters that are kept
TAGS = 12
SAID = 1500  # characters of what was said that are sent with a chapter

_TRUTH = (
    "Write only what can be seen in the pictures or was said. Do not guess who somebody is, what somebody feels or "
    "intends, or what happened before or after. Leave out what you are not sure of."
)


def _cut(most: int) -> AfterValidator:
    return AfterValidator(lambda text: " ".join(str(text).split())[:most].rstrip())


Text = Annotated[str, _cut(TEXT)]
Told = Annotated[Text, Field(min_length=1)]
Title = Annotated[str, _cut(TITLE)]
Tag = Annotated[str, _cut(TAG)]
Tags = Annotated[list[Tag], AfterValidator(lambda tags: list(dict.fromkeys(tag for tag in tags if tag))[:TAGS])]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EventCaption(_Answer):
    """What is written of an event."""

    caption: Told = Field(description="One or two plain sentences: who or what, doing what, where.")
    attributes: Tags = Field(
        description="Facts of one to three words each, such as colours, clothing, objects, weather."
    )


class ChapterText(_Answer):
    """What is written of a chapter."""

    number: int
    title: Title = Field(description="A title of at most eight words.")
    text: Text = Field(description="One sentence.")


class ChapterTexts(_Answer):
    """What is written of some chapters."""

    chapters: list[ChapterText]


class FileText(_Answer):
    """What is written of a whole file."""

    title: Title = Field(description="A title of at most ten words.")
    paragraph: Told = Field(description="What happens in the video, in three to five sentences.")
    tags: Tags = Field(description="Up to twelve words or short phrases to find the video by.")


class TranslatedLine(_Answer):
    """One translated line."""

    number: int
    text: Text


class TranslatedLines(_Answer):
    """Translated lines of a transcript."""

    lines: list[TranslatedLine]


def of_event(event: Event, pictures: Sequence[Picture], language: str) -> Question[EventCaption]:
    """Return the question for the caption of a closed event."""
    data: dict[str, JsonValue] = {
        "looked_for": list(event.description),
        "seconds": round(event.end - event.start, 1),
        "detected": [*sorted({found.name for found in event.evidence.objects})],
        "said": _shortened([word.text.strip() for word in event.evidence.words]),
    }
    instructions = (
        "A camera has reported an event. The pictures show it in order of time. `looked_for` is what the rule looks "
        "for, which may not be what happens; `said` is what was heard, by machine transcription. Describe the event "
        f"for somebody who was not there. {_TRUTH} {_in(language)}"
    )
    return Question(instructions, data, tuple(pictures), EventCaption)


def of_chapters(
    chapters: Sequence[dict[str, JsonValue]], pictures: Sequence[Picture], language: str
) -> Question[ChapterTexts]:
    """Return the question for titles of chapters: of each its `number`, `seen` and `said`."""
    instructions = (
        "These are chapters of a video; the caption of each picture names its chapter. `seen` is what a program takes "
        "a chapter for, which may be wrong; `said` is what was heard, by machine transcription. Write a title and a "
        f"sentence for each chapter. {_TRUTH} {_in(language)}"
    )
    return Question(instructions, {"chapters": list(chapters)}, tuple(pictures), ChapterTexts, 150 * len(chapters) + 50)


def of_file(chapters: Sequence[str], events: Sequence[str], language: str) -> Question[FileText]:
    """Return the question for the title, paragraph and tags of a file, from what is known of its chapters."""
    data: dict[str, JsonValue] = {"chapters": list(chapters), "events": list(events)}
    instructions = (
        "These are the chapters of a video in order, and events that were reported in it. Sum the video up for "
        f"somebody who looks for it in an archive. {_TRUTH} {_in(language)}"
    )
    return Question(instructions, data, (), FileText, 800)


def of_lines(lines: Sequence[str], language: str) -> Question[TranslatedLines]:
    """Return the question for the translation of lines of a transcript."""
    data: dict[str, JsonValue] = {"lines": [{"number": n, "text": text} for n, text in enumerate(lines, 1)]}
    instructions = (
        "These are lines of a transcript. Translate each; one that is in the wanted language already stays as it is. "
        f"Answer with as many lines as there are, with their numbers. {_in(language)}"
    )
    return Question(instructions, data, (), TranslatedLines, 60 * len(lines) + 2 * sum(map(len, lines)) + 50)


def _in(language: str) -> str:
    return f"Write in the language with the code {language}."


def _shortened(texts: Sequence[str]) -> str:
    return " ".join(texts)[:SAID]
