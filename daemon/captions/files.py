"""Files: a title and a sentence for each chapter first, then title, paragraph and tags of the whole from these.

What is written is kept chapter by chapter: a restart goes on behind the last one that is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from daemon.captions.questions import PROMPT, SAID, of_chapters, of_file, of_lines
from daemon.captions.types import Described, Line, Written
from daemon.vlm.errors import VlmNonsense
from daemon.vlm.types import Picture, Question, Reply, T
from workers.events.event import Event
from workers.types import Utterance

LINES = 20  # of a transcript in one question
MOST_EVENTS = 30

Stills = Callable[[Sequence[float]], Sequence[bytes | None]]


class Ask(Protocol):
    """Asks the verifier."""

    def __call__(self, question: Question[T]) -> Reply[T]:
        """Return the answer; raise ``VlmError``."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """A chapter as it was cut: stream seconds, its most typical one, what it was taken for, and what was said in it."""

    start: float
    end: float
    typical: float
    seen: str
    said: tuple[Utterance, ...] = ()

    def moments(self, count: int) -> list[float]:
        """Return the stream seconds of so many pictures of it."""
        return [self.typical] if count == 1 else evenly(self.start, self.end, count)


@dataclass(frozen=True, slots=True)
class FileMaterial:
    """A file that was watched, by the fields of ``Described``. ``path``: where it lies now.

    ``events``: what was reported in it, in words.
    """

    owner: str
    camera: str
    key: str
    file: str
    path: Path
    duration: float
    since: float
    until: float
    scenes: tuple[Scene, ...]
    events: tuple[str, ...] = ()

    def described(self, number: int, start: float, end: float, text: str, written: Written) -> Described:
        """Return a text about a part of this file."""
        place = (self.owner, number, self.camera, self.key, self.file)
        return Described(*place, start, end, self.since, self.until, text, written)


def in_words(event: Event) -> str:
    """Return an event of a file as a line."""
    caption = f": {event.caption.text}" if event.caption else ""
    return f"{event.start:.0f} to {event.end:.0f} s: {event.description[0]}{caption}"


def evenly(start: float, end: float, count: int) -> list[float]:
    """Return the middles of ``count`` equal parts of a stretch of time."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]


@dataclass(frozen=True, slots=True)
class Wish:
    """Of which model texts are, and how. ``pictures``: most of one question; ``translated``: the transcript, too."""

    language: str
    model: str
    pictures: int
    translated: bool


class FileWriter:
    """Writes of one file. ``stills``: JPEGs of stream seconds, None where nothing is shown; ``keep`` keeps."""

    def __init__(
        self,
        file: FileMaterial,
        wish: Wish,
        ask: Ask,
        stills: Stills,
        keep: Callable[[Described], None],
    ) -> None:
        self._file, self._wish, self._ask, self._stills, self._keep = file, wish, ask, stills, keep

    def write(self, known: Sequence[Described]) -> Iterator[None]:
        """Write what is not ``known``; yield whenever something was kept. Raise ``VlmError``."""
        chapters = {one.number: one for one in known if one.number}
        missing = [n for n in range(1, len(self._file.scenes) + 1) if n not in chapters]
        for first in range(0, len(missing), self._wish.pictures):
            for one in self._chapters(missing[first : first + self._wish.pictures]):
                self._keep(one)
                chapters[one.number] = one
            yield
        if not any(one.number == 0 for one in known):
            self._keep(self._whole([chapters[n] for n in sorted(chapters)]))
            yield

    def _chapters(self, numbers: Sequence[int]) -> Iterator[Described]:
        scenes = [(number, self._file.scenes[number - 1]) for number in numbers]
        each = self._wish.pictures // len(scenes)
        moments = [(number, t) for number, scene in scenes for t in scene.moments(each)]
        jpegs = self._stills([t for _, t in moments])
        pictures = [
            Picture(jpeg, f"chapter {number}, second {t:.0f} of the video")
            for (number, t), jpeg in zip(moments, jpegs, strict=True)
            if jpeg is not None
        ]
        data: list[dict[str, JsonValue]] = [
            {"number": n, "seen": s.seen, "said": " ".join(u.text.strip() for u in s.said)[:SAID]} for n, s in scenes
        ]
        reply = self._tried(of_chapters(data, pictures, self._wish.language))
        texts = {text.number: text for text in reply.answer.chapters} if reply else {}
        translated = {number: self._translated(scene.said) for number, scene in scenes}
        for number, scene in scenes:
            text = texts.get(number)
            title, sentence = (text.title, text.text) if text else (scene.seen, "")
            place = (number, scene.start, scene.end)
            yield replace(self._described(*place, sentence), title=title, said=translated[number])

    def _translated(self, said: Sequence[Utterance]) -> tuple[Line, ...]:
        """Return what was said in the wanted language; lines that are not answered stay as they were."""
        found: list[Line] = []
        for first in range(0, len(said) if self._wish.translated else 0, LINES):
            part = said[first : first + LINES]
            reply = self._tried(of_lines([u.text.strip() for u in part], self._wish.language))
            texts = {line.number: line.text for line in reply.answer.lines} if reply else {}
            found += [Line(u.start_s, u.end_s, texts.get(n) or u.text.strip()) for n, u in enumerate(part, 1)]
        return tuple(found)

    def _whole(self, chapters: Sequence[Described]) -> Described:
        lines = [f"{one.start:.0f} s: {one.title}. {one.text}" for one in chapters]
        answer = self._ask(of_file(lines, self._file.events[:MOST_EVENTS], self._wish.language)).answer
        whole = self._described(0, 0.0, self._file.duration, answer.paragraph)
        return replace(whole, title=answer.title, tags=tuple(answer.tags))

    def _tried(self, question: Question[T]) -> Reply[T] | None:
        """Return the answer; None for nonsense, for the other chapters and lines may do better. Raise ``VlmError``."""
        try:
            return self._ask(question)
        except VlmNonsense:
            return None

    def _described(self, number: int, start: float, end: float, text: str) -> Described:
        return self._file.described(number, start, end, text, Written(self._wish.language, self._wish.model, PROMPT))
