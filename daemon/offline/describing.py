"""Captions of tagged files: of each event, and a title, a paragraph and tags of the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.captions.documents import file_document
from daemon.captions.events import caption_of, language_of
from daemon.captions.files import FileMaterial, FileWriter, Scene, Wish, evenly, in_words
from daemon.captions.pictures import stills
from daemon.captions.types import Described
from daemon.config import Config
from daemon.vlm.client import VlmClient
from daemon.vlm.types import Picture, Question, Reply, T
from workers.events.event import Event
from workers.types import Utterance


@dataclass(frozen=True, slots=True)
class FileDescriber:
    """Asks the verifier of a configuration about files. Methods raise ``VlmError``."""

    config: Config
    client: VlmClient

    def event(self, file: Path, event: Event) -> Event:
        """Return an event with its caption, from pictures over its span; without pictures and words as it is."""
        settings = self.client.settings
        times = evenly(event.start, event.end, settings.frames)
        found = zip(times, self._stills(file, times), strict=True)
        pictures = [Picture(jpeg, f"{t - event.start:.1f} s after the beginning") for t, jpeg in found if jpeg]
        caption = caption_of(event, pictures, language_of(event, self.config, settings), self._ask)
        return event.model_copy(update={"caption": caption}) if caption else event

    def file(
        self, file: Path, duration: float, events: Sequence[Event], said: tuple[Utterance, ...]
    ) -> dict[str, Any] | None:
        """Return what is written of a whole file, as JSON."""
        settings, texts = self.client.settings, list[Described]()
        scene = Scene(0.0, duration, duration / 2, "", said)
        lines = tuple(in_words(event) for event in events)
        material = FileMaterial("", "file", "", str(file), file, duration, 0.0, 0.0, (scene,), lines)
        wish = Wish(settings.language, settings.model, settings.frames, settings.translate)
        writer = FileWriter(material, wish, self._ask, lambda t: self._stills(file, t), texts.append)
        for _ in writer.write(()):
            pass
        return file_document(sorted(texts, key=lambda one: one.number))

    def _ask(self, question: Question[T]) -> Reply[T]:
        return self.client.ask(question, self.client.settings.timeout)

    def _stills(self, file: Path, times: Sequence[float]) -> list[bytes | None]:
        return stills(file, times, self.config.privacy.blur_faces)
