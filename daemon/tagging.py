"""Tagging of uploads: files and descriptions in, one document a file out.

What finds the events is handed in as a ``Tagger``; here is only what happens around it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from alignment.errors import WatchwordError
from daemon.config import Config
from daemon.config.services import ModelsConfig, SpeechConfig
from daemon.exports import ExportError, Format, Tagged, csv_text, json_line, make_writable, render, write_atomic
from daemon.logs import configure_logs, register_secrets
from daemon.media_files import MediaFile, encodable
from workers.encoders.options import Profile
from workers.types import Event, EventSpec, MediaLimits

if TYPE_CHECKING:
    from daemon.offline import OfflineSettings

NAME_LENGTH = 58  # of the 64 that the configuration allows: room for a number


class FileResult(Protocol):
    """What came of one file: the last revision of each of its events, or an error."""

    @property
    def path(self) -> Path:
        """The file, as it was asked for."""

    @property
    def events(self) -> tuple[Event, ...]:
        """The last revision of each event."""

    @property
    def duration_s(self) -> float:
        """How much of the file was read, s."""

    @property
    def error(self) -> WatchwordError | None:
        """Why the file could not be read."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with a file that could be read all the same."""


OnProgress = Callable[[Path, float, float | None], None]  # file, position s, duration s
EventsFor = Callable[[Path], Sequence[EventSpec]]
Tagger = Callable[[Sequence[Path], EventsFor, OnProgress], Iterator[FileResult]]


class Deliver(Protocol):
    """Takes the result of one file to where it belongs and says in a few words where that is."""

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Raise ``ExportError`` where the result cannot be kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one upload: the number of its events and where they are, or the error."""

    file: MediaFile
    events: int
    place: str
    warnings: tuple[str, ...]
    error: WatchwordError | None


def tag_media(
    files: Sequence[MediaFile],
    specs: Sequence[EventSpec],
    tagger: Tagger,
    deliver: Deliver,
    on_progress: OnProgress,
) -> Iterator[Outcome]:
    """Tag files and deliver each result as soon as it is there; a file that cannot be read stops no other."""
    by_path = {file.path: file for file in files}
    for result in tagger(list(by_path), lambda _: specs, on_progress):
        file = by_path[result.path]
        if result.error is not None:
            yield Outcome(file, 0, "", result.warnings, result.error)
            continue
        tagged = Tagged(encodable(str(file.path)), result.duration_s, result.events, result.warnings)
        yield Outcome(file, len(result.events), deliver(file, tagged), result.warnings, None)


class ToFiles:
    """Writes ``NAME.watchword.FORMAT`` for each file, beside it or below ``folder``."""

    def __init__(self, files: Sequence[MediaFile], formats: Sequence[Format], folder: Path | None) -> None:
        """Plan all names and make the folders: hours of work must not end at a folder that is read-only."""
        self._formats = formats
        self._bases = plan_outputs(files, folder)
        for parent in sorted({base.parent for base in self._bases.values()}):
            make_writable(parent, "choose another folder with --out")

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Write one file's results, each at once or not at all."""
        base = self._bases[file]
        for form in self._formats:
            write_atomic(base.with_name(f"{base.name}.{form}"), render(tagged, form))
        endings = ",".join(self._formats)
        return f"{base}.{{{endings}}}" if len(self._formats) > 1 else f"{base}.{endings}"


class ToStream:
    """Writes all results to one stream: a JSON line a file, one CSV table, or a single file's WebVTT."""

    def __init__(self, form: Format, stream: TextIO) -> None:
        self._form = form
        self._stream = stream
        self._first = True

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Write one file's result and flush it, for a reader at the other end of a pipe."""
        if self._form == "json":
            self._stream.write(json_line(tagged))
        elif self._form == "csv":
            self._stream.write(csv_text(tagged, header=self._first))
        else:
            self._stream.write(render(tagged, self._form))
        self._first = False
        self._stream.flush()
        return "standard output"


def plan_outputs(files: Sequence[MediaFile], folder: Path | None) -> Mapping[MediaFile, Path]:
    """Return where each file's results go, without the format's ending; raise ``ExportError`` for a clash.

    ``clip.mp4`` gives ``clip.watchword``; where ``clip.mkv`` lies beside it both keep their endings.
    """
    wanted = {f: f.path.parent / f.path.name if folder is None else folder / f.relative for f in files}
    stems = [path.with_suffix("") for path in wanted.values()]
    bases: dict[MediaFile, Path] = {}
    for file, path in wanted.items():
        named = path if stems.count(path.with_suffix("")) > 1 else path.with_suffix("")
        base = named.with_name(named.name + ".watchword")
        if base in bases.values():
            raise ExportError(f"two files would be written to {base}", "tag them with different --out folders")
        bases[file] = base
    return bases


def specs_of_texts(texts: Sequence[str], taken: Sequence[str] = ()) -> tuple[EventSpec, ...]:
    """Return an event for each description, under a name made of its words that nothing in ``taken`` has."""
    names = set(taken)
    specs = []
    for text in texts:
        stem = _name(text)
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.add(name)
        specs.append(EventSpec(name=name, describe=(" ".join(text.split()),)))
    return tuple(specs)


def _name(text: str) -> str:
    """Return the first words of a text as a name; whole words, unless there is only one."""
    words = re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")
    whole = words if len(words) <= NAME_LENGTH else words[: NAME_LENGTH + 1].rpartition("_")[0]
    return whole or words[:NAME_LENGTH] or "event"


def offline_settings(config: Config | None, profile: Profile | None) -> "OfflineSettings":
    """Return what files are watched with: of ``config`` (None: defaults), but ``profile`` comes first."""
    from daemon.offline import OfflineSettings  # loads torch: not for `--help`

    configure_logs(config.logs.format if config else "auto", "warning")  # results and errors are told by us
    register_secrets(config.secrets() if config else ())
    models = config.models if config else ModelsConfig()
    if profile and profile != models.profile:  # a model of one profile means nothing to another
        models = models.model_copy(update={"profile": profile, "model": None, "revision": None})
    return OfflineSettings(
        models=models.encoder_options(),
        aligner=models.aligner_options(),
        speech=config.speech if config else SpeechConfig(),
        limits=config.limits.limits() if config else MediaLimits(),
        blur_faces=config.privacy.blur_faces if config else False,
    )


def offline_tagger(config: Config | None, profile: Profile | None, pictures: Path | None = None) -> Tagger:
    """Return the daemon's own pipeline, set up by ``config`` (None: defaults); ``profile`` comes first.

    ``pictures``: the folder for those that explain events; None: they are not drawn.
    """
    if pictures:
        make_writable(pictures, "choose another folder with --explain")
    from daemon.offline import tag_files  # as above

    settings = replace(offline_settings(config, profile), pictures=pictures)
    return lambda files, events_for, on_progress: tag_files(files, events_for, settings, on_progress)
