"""Texts of uploads, one question after another, each kept as soon as it is answered."""

from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from daemon.captions.files import FileMaterial, FileWriter, Wish
from daemon.captions.pending import ATTEMPTS, counts
from daemon.captions.pictures import stills
from daemon.captions.questions import PROMPT
from daemon.captions.store import CaptionStore
from daemon.captions.turns import Asker, Turns
from daemon.captions.types import Described, Written
from daemon.config import Config
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.client import VlmClient
from daemon.vlm.errors import VlmError
from workers.clock import Clock

LOOK_S = 2.0  # between two looks for uploads

log = structlog.get_logger()
Done = Callable[[FileMaterial, list[Described]], None]


class Uploads(Protocol):
    """Where uploads come from that are to be described."""

    def next(self, known: Set[str]) -> FileMaterial | None:
        """Return the next upload whose owner is not ``known``."""
        ...

    def has(self, owner: str) -> bool:
        """Return whether an upload is still there."""
        ...


@dataclass(frozen=True, slots=True)
class _Work:
    """One upload in hand, and who is asked."""

    material: FileMaterial
    settings: VlmSettings
    steps: Iterator[None]


class UploadCaptions:
    """Describes uploads. ``done`` is called with each that is described, and its texts.

    ``made`` counts them.
    """

    def __init__(
        self, store: CaptionStore, uploads: Uploads, turns: Turns, clock: Clock, done: Done, made: Counter[str]
    ) -> None:
        self._store, self._uploads, self._turns, self._clock = store, uploads, turns, clock
        self._done, self._made = done, made
        self._work: _Work | None = None
        self._failures = Counter[str]()
        self._due = 0.0

    def look_at_once(self) -> None:
        """Look for uploads in the next step. From any thread."""
        self._due = 0.0

    def describe_next(self, config: Config, client: VlmClient) -> bool:
        """Ask the next question, or few; return whether there was one. Raise ``VlmError``."""
        work = self._work if self._work and self._work.settings is client.settings else self._begin(config, client)
        self._work = work
        if work is None:
            return False
        try:
            next(work.steps)
        except StopIteration:
            self._work = None
            self._made["upload"] += 1
            log.info("described", file=work.material.file)
            self._done(work.material, self._store.of(work.material.owner))
        except VlmError as error:
            self._work = None
            self._failed(work, error)
            raise
        return True

    def _begin(self, config: Config, client: VlmClient) -> _Work | None:
        """Return the next upload; one that was begun before goes on behind what is kept."""
        if self._clock.monotonic() < self._due:
            return None
        material = self._uploads.next(self._store.complete())
        if material is None:
            self._due = self._clock.monotonic() + LOOK_S
            return None
        settings = client.settings
        shown = partial(stills, material.path, blur_faces=config.privacy.blur_faces)
        wish = Wish(settings.language, settings.model, settings.frames, settings.translate)
        writer = FileWriter(material, wish, Asker(self._turns, client), shown, self._keep)
        return _Work(material, settings, writer.write(self._store.of(material.owner)))

    def _keep(self, text: Described) -> None:
        if self._uploads.has(text.owner):  # else it was forgotten meanwhile
            self._store.add(text)

    def _failed(self, work: _Work, error: VlmError) -> None:
        """Note that nothing can be written of an upload, once there were enough attempts."""
        material = work.material
        self._failures[material.owner] += counts(error)
        if self._failures[material.owner] >= ATTEMPTS:
            written = Written(work.settings.language, work.settings.model, PROMPT)
            self._made["none"] += 1
            self._keep(material.described(0, 0.0, material.duration, "", written))
