"""Tagging of files: files and descriptions in, one document per file out.

The detection of events is passed in as a ``Tagger``; this module does the rest.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from alignment.errors import WatchwordError
from alignment.file_io import NAME_BYTES, shortened
from daemon.config import Config
from daemon.config.over_time import rules_of_files
from daemon.config.sections.services import ModelsConfig, SpeechConfig
from daemon.logs.setup import configure_logs, register_secrets
from daemon.offline.exports import ExportError, Format, Tagged, csv_text, json_line, make_writable, render, write_atomic
from daemon.offline.media_files import MediaFile, encodable
from daemon.vlm.errors import VlmError
from workers.events.event import Event
from workers.models.profiles import ProfileName
from workers.types import EventSpec, MediaLimits, Utterance

if TYPE_CHECKING:
    from daemon.offline.describing import FileDescriber
    from daemon.offline.runner import OfflineSettings

STEM_BYTES = NAME_BYTES - len(".watchword.json")
NAME_LENGTH = 58  # of the 64 that the configuration allows: room for a number


class FileResult(Protocol):
    """Result of one file: the last revision of each event, or an error."""

    @property
    def path(self) -> Path:
        """Return the file's path as given."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Return the last revision of each event."""

    @property
    def duration_s(self) -> float:
        """Return the seconds of the file that were read."""

    @property
    def error(self) -> WatchwordError | None:
        """Return the error, if the file could not be read."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the problems of a file that could be read."""

    @property
    def transcript(self) -> tuple[Utterance, ...]:
        """Return what was said."""

    @property
    def event_warnings(self) -> tuple[str, ...]:
        """Return which events will not be found as they are described."""


OnProgress = Callable[[Path, float, float | None], None]  # file, position s, duration s
EventsFor = Callable[[Path], Sequence[EventSpec]]
Tagger = Callable[[Sequence[Path], EventsFor, OnProgress], Iterator[FileResult]]


class Deliver(Protocol):
    """Writes the result of one file and returns a short description of its location."""

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Write the result; raise ``ExportError`` if it cannot be written."""

    def refusal(self, file: MediaFile) -> ExportError | None:
        """Return why the results of a file could not be written, before any work."""

    def failed(self, tagged: Tagged) -> None:
        """Write that an input could not be read, where the format has room for that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one file: the number of events and where they were written, or the error."""

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
    describer: "FileDescriber | None" = None,
) -> Iterator[Outcome]:
    """Tag files and deliver each result when it is ready; a file that fails, or its result, stops no other.

    ``describer``: writes captions; where it cannot, the file has a warning.
    """
    by_path = {file.path: file for file in files}
    for file in files:
        if (refusal := deliver.refusal(file)) is not None:
            yield Outcome(by_path.pop(file.path), 0, "", (), refusal)
    for result in tagger(list(by_path), lambda _: specs, on_progress):
        file = by_path[result.path]
        name = encodable(str(file.path))
        warnings = (*result.event_warnings, *result.warnings)
        tagged = Tagged(name, result.duration_s, result.events, warnings, result.transcript, result.error)
        if result.error is not None:
            deliver.failed(tagged)
            yield Outcome(file, 0, "", result.warnings, result.error)
            continue
        if describer is not None:
            tagged = _described(describer, file.path, tagged)
        try:
            place = deliver(file, tagged)
        except ExportError as error:
            yield Outcome(file, len(result.events), "", result.warnings, error)
        else:
            unwritten = tagged.warnings[len(warnings) :]
            yield Outcome(file, len(result.events), place, (*result.warnings, *unwritten), None)


def _described(describer: "FileDescriber", file: Path, tagged: Tagged) -> Tagged:
    """Return results with what the verifier wrote; as far as it did, with a warning."""
    try:
        for n, event in enumerate(tagged.events):
            events = (*tagged.events[:n], describer.event(file, event), *tagged.events[n + 1 :])
            tagged = replace(tagged, events=events)
        return replace(tagged, description=describer.file(file, tagged.duration_s, tagged.events, tagged.transcript))
    except VlmError as error:
        return replace(tagged, warnings=(*tagged.warnings, f"captions are missing: {error}"))


class ToFiles:
    """Writes ``NAME.watchword.FORMAT`` for each file, in its folder or below ``folder``."""

    def __init__(self, files: Sequence[MediaFile], formats: Sequence[Format], folder: Path | None) -> None:
        """Choose all names and create the folders before the work; raise ``ExportError`` if none can be written to."""
        self._formats = formats
        self._bases = plan_outputs(files, folder)
        self._unwritable: dict[Path, ExportError] = {}
        parents = sorted({base.parent for base in self._bases.values()})
        for parent in parents:
            try:
                make_writable(parent, "choose another folder with --out")
            except ExportError as error:
                self._unwritable[parent] = error
        if parents and len(self._unwritable) == len(parents):
            raise self._unwritable[parents[0]]

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Write the results of one file, each atomically; raise the first error after all were tried."""
        base, errors = self._bases[file], list[ExportError]()
        for form in self._formats:
            try:
                write_atomic(base.with_name(f"{base.name}.{form}"), render(tagged, form))
            except ExportError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        endings = ",".join(self._formats)
        return f"{base}.{{{endings}}}" if len(self._formats) > 1 else f"{base}.{endings}"

    def refusal(self, file: MediaFile) -> ExportError | None:
        """Return why the folder for a file's results cannot be written to."""
        return self._unwritable.get(self._bases[file].parent)

    def failed(self, tagged: Tagged) -> None:
        """Write nothing: the result of an earlier run may lie there."""


class ToStream:
    """Writes all results to one stream: a JSON line per file, one CSV table, or a single file's WebVTT."""

    def __init__(self, form: Format, stream: TextIO) -> None:
        self._form = form
        self._stream = stream
        self._first = True

    def __call__(self, file: MediaFile, tagged: Tagged) -> str:
        """Write one file's result and flush it, so that a pipe's reader gets it at once."""
        if self._form == "json":
            self._stream.write(json_line(tagged))
        elif self._form == "csv":
            self._stream.write(csv_text(tagged, header=self._first))
        else:
            self._stream.write(render(tagged, self._form))
        self._first = False
        self._stream.flush()
        return "standard output"

    def refusal(self, file: MediaFile) -> None:
        """Return None: whether a stream can be written to shows when it is."""

    def failed(self, tagged: Tagged) -> None:
        """Write a JSON line with the error; the other formats have no place for one."""
        if self._form == "json":
            self._stream.write(json_line(tagged))
            self._stream.flush()


def plan_outputs(files: Sequence[MediaFile], folder: Path | None) -> Mapping[MediaFile, Path]:
    """Return where each file's results go, without the format's extension; raise ``ExportError`` on a conflict.

    ``clip.mp4`` gives ``clip.watchword``; if ``clip.mkv`` is in the same folder, both keep their extensions. The end of
    a name that leaves no room for the extensions is replaced by a hash.
    """
    wanted = {f: f.path.parent / f.path.name if folder is None else folder / f.relative for f in files}
    stems = [path.with_suffix("") for path in wanted.values()]
    bases: dict[MediaFile, Path] = {}
    for file, path in wanted.items():
        named = path if stems.count(path.with_suffix("")) > 1 else path.with_suffix("")
        base = named.with_name(f"{shortened(named.name, STEM_BYTES)}.watchword")
        if base in bases.values():
            raise ExportError(f"two files would be written to {base}", "tag them with different --out folders")
        bases[file] = base
    return bases


def specs_of_texts(texts: Sequence[str], taken: Sequence[str] = ()) -> tuple[EventSpec, ...]:
    """Return an event for each description, named by its words, with a name that is not in ``taken``."""
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


def models_in_words(config: Config | None, profile: ProfileName | None) -> str:
    """Return which models ``offline_tagger`` loads, for people."""
    chosen = profile or (config.models.profile if config else ModelsConfig().profile)
    speech = (config.speech if config else SpeechConfig()).options(chosen)
    whisper = "tiny.en" if speech is None or speech.model == "packaged" else Path(speech.model).name
    return f"profile {chosen}" + (f", Whisper {whisper} for speech" if speech else "")


def offline_settings(config: Config | None, profile: ProfileName | None) -> "OfflineSettings":
    """Return the settings for files as ``settings_of`` does, for a command: its logs are set up as well."""
    configure_logs(config.logs.format if config else "auto", "warning")  # the command prints results and errors itself
    register_secrets(config.secrets() if config else ())
    return settings_of(config, profile)


def settings_of(config: Config | None, profile: ProfileName | None) -> "OfflineSettings":
    """Return the settings for files from ``config`` (None: defaults); ``profile`` overrides it."""
    from daemon.offline.runner import CAMERA, OfflineSettings  # loads torch: not for `--help`

    models = config.models if config else ModelsConfig()
    if profile and profile != models.profile:  # a model belongs to its profile
        models = models.model_copy(update={"profile": profile, "model": None, "revision": None})
    return OfflineSettings(
        models=models.encoder_options(),
        aligner=models.aligner_options(),
        speech=config.speech if config else SpeechConfig(),
        limits=config.limits.limits() if config else MediaLimits(),
        blur_faces=config.privacy.blur_faces if config else False,
        over_time=rules_of_files(config, CAMERA) if config else (),
    )


def offline_tagger(
    config: Config | None, profile: ProfileName | None, pictures: Path | None = None, clips: bool = False
) -> Tagger:
    """Return the daemon's own pipeline, set up by ``config`` (None: defaults); ``profile`` overrides it.

    ``pictures``: the folder for pictures of events; None: none are kept. ``clips``: clips are kept there, too.
    """
    if pictures:
        make_writable(pictures, "choose another folder with --explain")
    from daemon.offline.runner import tag_files  # as above

    settings = replace(offline_settings(config, profile), pictures=pictures, clips=clips)
    return lambda files, events_for, on_progress: tag_files(files, events_for, settings, on_progress)
