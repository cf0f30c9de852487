"""Settings that are valid but do not work on this machine, with these cameras, or with this profile."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from alignment.errors import WatchwordError
from daemon.checking.descriptions import DescriptionJudge
from daemon.checking.inputs import Opened
from daemon.config import Config, Problem
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.http import LOOPBACK
from workers.areas import overlap
from workers.decisions.budgets.report import exceeded_budgets
from workers.models.catalogue import locate
from workers.models.profiles import PROFILES
from workers.queries.build import modalities_of
from workers.services.aligner_options import check_checkpoint
from workers.state_layout import StateLayout
from workers.types import EventSpec

Watched = Mapping[str, tuple[EventSpec, ...]]
"""The events of every input, by its name."""

Finding = tuple[str, str, str]
"""The setting as a dotted path, what does not work, and what to do."""


def watched(config: Config) -> Watched:
    """Return the events of each camera, and of the uploads."""
    cameras = {camera.name: config.event_specs(camera.name) for camera in config.camera_specs()}
    return cameras | ({UPLOADS: config.event_specs()} if config.uploads else {})


def findings(path: Path, config: Config, judge: DescriptionJudge, opened: Sequence[Opened]) -> Iterator[Problem]:
    """Yield what does not work; ``opened``: the inputs that were tried."""
    settings = (
        _models(config),
        _speech(config),
        _tls(config),
        _budgets(config),
        _hidden_zones(config),
        _verifiers(config),
    )
    for part in (*settings, _inputs(config, opened), _descriptions(config, judge)):
        for key, message, hint in part:
            yield Problem(str(path), 0, key, message, hint)


def _descriptions(config: Config, judge: DescriptionJudge) -> Iterator[Finding]:
    """Yield which descriptions will not be found as they are meant, each once."""
    specs = dict.fromkeys(spec for events in watched(config).values() for spec in events)
    texts = [f"event {spec.name!r}: {j.problem}" for spec in specs for j in judge(spec) if j.problem]
    if judge.failure:
        yield "models", judge.failure.message, judge.failure.hint
    yield from (("", text, "") for text in dict.fromkeys(texts))


def notes(config: Config, judge: DescriptionJudge) -> tuple[str, ...]:
    """Return where described events will be found: what is no mistake, but good to know."""
    specs = dict.fromkeys(spec for events in watched(config).values() for spec in events)
    return tuple(dict.fromkeys(f"event {spec.name!r}: {j.note}" for spec in specs for j in judge(spec) if j.note))


def _models(config: Config) -> Iterator[Finding]:
    options = config.models.encoder_options()
    if not PROFILES[options.profile].installed_whole:
        try:
            locate(options)
        except WatchwordError as error:
            yield "models", error.message, error.hint
    try:
        check_checkpoint(config.models.aligner_options())
    except WatchwordError as error:
        yield "models.checkpoint", error.message, error.hint


def _speech(config: Config) -> Iterator[Finding]:
    """Yield a language that the speech model does not know."""
    options = config.speech.options(config.models.profile)
    if options and options.language not in (None, "en") and options.model.endswith(("packaged", ".en")):
        what = f"the speech model ({config.speech.model or 'tiny.en, the packaged one'}) knows English only"
        yield (
            "speech.language",
            f"{what}, not {options.language!r}",
            "set `speech.model` to one of all languages: small",
        )


def _tls(config: Config) -> Iterator[Finding]:
    if (tls := config.http.tls) is not None:
        from daemon.http import TlsFiles, TlsFilesError  # FastAPI takes a second to import

        try:
            TlsFiles(tls.certificate, tls.key)
        except TlsFilesError as error:
            yield "http.tls", error.message, error.hint


def _budgets(config: Config) -> Iterator[Finding]:
    """Yield what the daemon saved of budgets that hold no longer."""
    folder = StateLayout(config.state_dir).budgets
    for name, events in watched(config).items():
        for exceeded in exceeded_budgets(folder, name, events):
            yield f"events.{exceeded.event}.max_false_alerts", str(exceeded), ""


def _inputs(config: Config, opened: Sequence[Opened]) -> Iterator[Finding]:
    """Yield cameras that could not be opened, and events that need what a camera does not send."""
    tried = {o.camera: o for o in opened}
    for camera in config.camera_specs():
        sends = tried[camera.name].sends if camera.name in tried else None
        error = tried[camera.name].error if camera.name in tried else None
        if error is not None:
            yield f"cameras.{camera.name}.url", error.message.removeprefix(f"{camera.name}: "), error.hint
        for spec in config.event_specs(camera.name):
            meant = {m for text in spec.describe for m in modalities_of(text, spec)}
            if meant <= {"speech", "sound"} and not (camera.audio and (sends is None or sends.has_audio)):
                yield f"cameras.{camera.name}", *_unheard(spec, camera.audio)
            if meant == {"vision"} and sends is not None and not sends.has_video:
                text = f"the camera sends no video, and event {spec.name!r} is looked for in frames"
                yield f"cameras.{camera.name}", text, "list other events under this camera's `events`"


def _hidden_zones(config: Config) -> Iterator[Finding]:
    """Yield events whose zones the masks of a camera hide."""
    for camera in config.camera_specs():
        for event in config.event_specs(camera.name):
            if camera.masks and event.zones and not overlap(camera.masks, event.areas):
                text = f"{event.name!r} cannot be seen: its zone lies outside the camera's masks"
                yield f"cameras.{camera.name}.masks", text, "change the zone, or add an area to masks"


def _verifiers(config: Config) -> Iterator[Finding]:
    """Yield keys that others in the network can read."""
    for verifier in config.verifiers():
        parts = urlsplit(verifier.url.reveal())
        if verifier.key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            text = f"the key of {verifier.url} is sent without encryption"
            yield "models.verifier.url", text, "use https://, or a server on this machine"


def _unheard(spec: EventSpec, listens: bool) -> tuple[str, str]:
    why = "the camera sends no audio" if listens else "`audio: false` is set"
    hint = "turn on audio in the camera itself" if listens else "remove `audio: false`"
    what = f"{why}, and event {spec.name!r} ({spec.describe[0]!r}) is listened for"
    return what, f"{hint}, or list other events under this camera's `events`"
