"""Checks of this machine: each part is used for real, and each finding has one line of advice."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from alignment.errors import WatchwordError
from daemon.config.sections.verifier import VlmSettings
from workers.redaction import RedactedUrl

if TYPE_CHECKING:
    from daemon.vlm.types import Question

Status = Literal["ok", "warn", "fail"]

EMBEDDED = "embedded"
SHM = Path("/dev/shm")
SHM_WANTED = 1_000_000_000
MEMORY_WANTED = 3_000_000_000
SPEED_FRAMES = 16
UNDISTURBED = 0.9  # share of a core that a program gets that nothing disturbs
FRAME_SIZE = (448, 256)  # of `lite`, pixels
LOADING_S = 120.0  # that a verifier may take to load its model
CAT_S = 10.0  # when the bundled sample shows a cat


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``fail``: the daemon cannot run. ``advice`` is one line, empty if nothing needs to be done."""

    area: str
    name: str
    status: Status
    detail: str
    advice: str = ""


def examine(redis: RedactedUrl, verifiers: Sequence[VlmSettings] = ()) -> Iterator[Check]:
    """Yield each finding as soon as it is known. ``redis``: URL of a server, or ``embedded``. Takes some seconds."""
    yield from _machine()
    yield from _installation()
    yield from _decoders()
    yield _accelerator()
    yield from _models()
    yield _encoder()
    yield _detectors()
    yield _aligner()
    yield _face_detector()
    yield redis_check(redis)
    yield _ray()
    yield from map(verifier_check, verifiers)


def usable(checks: tuple[Check, ...]) -> bool:
    """Return whether the daemon can run with these findings."""
    return all(check.status != "fail" for check in checks)


def _machine() -> Iterator[Check]:
    import psutil

    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < (3, 11)
    yield Check("machine", "Python", "fail" if old else "ok", version, "install Python 3.11 or newer" if old else "")
    free, total = psutil.virtual_memory().available, psutil.virtual_memory().total
    yield Check(
        "machine",
        "processors, memory",
        "ok" if free >= MEMORY_WANTED else "warn",
        f"{os.cpu_count()} cores, {_gb(free)} of {_gb(total)} free",
        ""
        if free >= MEMORY_WANTED
        else f"free some: Ray and the models want {_gb(MEMORY_WANTED)}; or `runtime: local`",
    )
    if SHM.is_dir():
        yield shared_memory_check(shutil.disk_usage(SHM).total)


def shared_memory_check(size: int) -> Check:
    """Return the finding for /dev/shm of this size in bytes."""
    enough = size >= SHM_WANTED
    advice = "" if enough else "docker run --shm-size 1g, or `shm_size: 1gb` in compose: Ray would use the disk"
    return Check("machine", "shared memory", "ok" if enough else "warn", _gb(size), advice)


def _installation() -> Iterator[Check]:
    """Yield a finding for each package of this program into which others have installed files."""
    from workers.installation import intruders, remedy

    for package, names in intruders().items():
        detail = f"{', '.join(names)} installs files into the package `{package}` of Watchword"
        yield Check("machine", "installation", "warn", detail, remedy(names))


def _decoders() -> Iterator[Check]:
    from workers.sources.capabilities import count_frames, decoder_capabilities, random_access

    found = decoder_capabilities()
    with resources.as_file(resources.files("daemon").joinpath("sample", "sample.mp4")) as sample:
        frames, decord = count_frames(sample), random_access(sample)
    yield Check(
        "input",
        "decoding",
        "ok" if frames else "fail",
        f"PyAV {found.pyav} with FFmpeg {found.ffmpeg}; {frames} frames of the sample decoded",
        "" if frames else "pip install --force-reinstall av",
    )
    yield Check(
        "input",
        "codecs",
        "warn" if found.missing else "ok",
        ", ".join(found.video + found.audio),
        f"no decoder for {', '.join(found.missing)}: pip install --force-reinstall av" if found.missing else "",
    )
    yield Check("input", "live streams", "ok", ", ".join(found.protocols))
    yield Check(
        "input",
        "random access",
        "ok" if decord else "warn",
        f"decord2 {decord}" if decord else "decord does not work here; PyAV is used instead",
        "" if decord else "pip install --force-reinstall decord2",
    )
    usable_here = f"opens: {', '.join(found.hardware)}" if found.hardware else "none opens"
    yield Check("input", "hardware decoders", "ok", f"{usable_here}; streams are decoded by the processor")


def _accelerator() -> Check:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Check("compute", "GPU", "ok", f"{', '.join(names)} (torch {torch.__version__})")
    if torch.version.cuda and shutil.which("nvidia-smi"):
        advice = "torch cannot use the GPU: compare `nvidia-smi` with the CUDA version of torch"
        return Check("compute", "GPU", "warn", f"not usable by torch {torch.__version__}", advice)
    return Check("compute", "GPU", "ok", f"none: models run on the processor (torch {torch.__version__})")


def _models() -> Iterator[Check]:
    from workers.models.catalogue import list_models
    from workers.models.profiles import PROFILES

    entries = list_models()
    for entry in (e for e in entries if PROFILES[e.profile].installed_whole):
        detail = f"{entry.name} {entry.revision}, {entry.licence}, {entry.size_mb:.0f} MB"
        if not entry.installed:
            detail = f"{entry.name} is not installed ({entry.licence}, {entry.size_mb:.0f} MB)"
        yield Check("models", f"{entry.profile} {entry.part}", "ok" if entry.installed else "warn", detail, entry.hint)
    larger = [e for e in entries if PROFILES[e.profile].knows_actions]
    best = PROFILES[larger[0].profile]
    here = [f"{e.name} ({e.profile}, {e.licence}, {e.size_mb:.0f} MB)" for e in larger if e.installed]
    advice = f"pip install 'watchword[{best.extra}]', {larger[0].hint}, and `models: {{profile: {best.name}}}`"
    yield Check(
        "models",
        "actions",
        "ok" if here else "warn",
        ", ".join(here) or PROFILES["lite"].note.partition(". For actions")[0],
        "" if here else advice,
    )


def _encoder() -> Check:
    """Load the default encoder and measure its speed."""
    import numpy as np

    from workers.encoders.registry import load_encoder
    from workers.models.options import EncoderOptions

    try:
        encoder = load_encoder(EncoderOptions())
    except WatchwordError as error:
        return Check("models", "lite encoder", "fail", error.message, error.hint)
    width, height = encoder.frame_spec.typical
    frames = np.zeros((SPEED_FRAMES, height, width, 3), np.uint8)
    speed = _frames_a_second(encoder.encode_frames, frames)
    detail = f"{speed} on {encoder.info.device}: as many cameras at `fps: 1`, at most"
    return Check("models", "lite encoder", "ok", detail)


def _detectors() -> Check:
    """Load the object detectors and measure their speed."""
    import numpy as np

    from workers.services.detector import DetectorService

    frames = np.zeros((SPEED_FRAMES, *FRAME_SIZE[::-1], 3), np.uint8)
    try:
        detectors = DetectorService()
    except WatchwordError as error:
        return Check("models", "object detectors", "fail", error.message, error.hint)
    speed = _frames_a_second(lambda f: detectors.detect(f).result(), frames)
    detectors.close()
    detail = f"{speed}: as many cameras at `fps: 1`, at most, whose events name objects"
    return Check("models", "object detectors", "ok", detail)


def _frames_a_second(model: Callable[[Any], object], frames: Any) -> str:
    """Return how many frames a model takes a second, once it is warm, and whether others used the processor."""
    model(frames)
    started, spent = time.perf_counter(), time.process_time()
    model(frames)
    took = time.perf_counter() - started
    got = (time.process_time() - spent) / took
    return f"{len(frames) / took:.0f} frames a second{busy(got)}"


def busy(share: float) -> str:
    """Return what to say if a measured program got this share of a core; nothing if it got all that it could use."""
    return "" if share > UNDISTURBED else f" (the machine was busy: {share:.0%} of a core for this, measure again)"


def _aligner() -> Check:
    """Load the default aligner."""
    from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint

    try:
        model = load_checkpoint(shipped_checkpoint())
    except WatchwordError as error:
        return Check("models", "aligner", "fail", error.message, "pip install --force-reinstall watchword")
    weights = sum(p.numel() for p in model.parameters())
    return Check("models", "aligner", "ok", f"cross_attention, {weights:,} weights, as shipped")


def _face_detector() -> Check:
    """Load the face detector and measure its speed."""
    import numpy as np

    from workers.sources.decode.faces import DETAIL, FaceBlurrer

    try:
        hider = FaceBlurrer()
    except WatchwordError as error:
        return Check("privacy", "hiding faces", "warn", f"`blur_faces` cannot be used: {error.message}", error.hint)
    width, height = FRAME_SIZE
    picture = np.zeros((height * DETAIL, width * DETAIL, 3), np.uint8)
    hider(picture)
    started = time.perf_counter()
    hider(picture)
    return Check(
        "privacy",
        "hiding faces",
        "ok",
        f"{(time.perf_counter() - started) * 1000:.0f} ms a frame of {width} x {height}",
    )


def redis_check(url: RedactedUrl) -> Check:
    """Return the finding for a Redis server; ``embedded``: a server is started in a temporary folder."""
    from workers.publish.embedded.server import EmbeddedServer

    started = time.perf_counter()
    try:
        if url.reveal() == EMBEDDED:
            with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as address:
                version = _ping(RedactedUrl(address))
        else:
            version = _ping(url)
    except WatchwordError as error:
        return Check("events", f"Redis at {url}", "fail", error.message, error.hint)
    took = (time.perf_counter() - started) * 1000
    return Check("events", f"Redis at {url}", "ok", f"version {version}, answered within {took:.0f} ms")


def _ping(url: RedactedUrl) -> str:
    from workers.publish.redis.client import RedisSettings, connect
    from workers.publish.redis.errors import NATIVE_ERRORS, publish_error

    try:
        client = connect(RedisSettings(url))
        try:
            facts = client.info("server")
        finally:
            client.close()
    except NATIVE_ERRORS as error:
        raise publish_error(error, url) from None
    return str(facts.get("valkey_version") or facts.get("redis_version"))


def _ray() -> Check:
    try:
        return Check("runtime", "Ray", "ok", metadata.version("ray"))
    except metadata.PackageNotFoundError:
        return Check("runtime", "Ray", "warn", "not installed", "pip install ray, or set `runtime: local`")


def verifier_check(settings: VlmSettings) -> Check:
    """Ask a verifier twice what the bundled sample shows: once it may have to load its model."""
    from daemon.vlm.budget import CallBudget
    from daemon.vlm.client import VlmClient

    name = f"{settings.model} at {settings.url}"
    client, question = VlmClient(settings, CallBudget()), _question()
    try:
        first = client.ask(question, max(LOADING_S, settings.timeout))
        second = client.ask(question, settings.timeout)
    except WatchwordError as error:
        return Check("verifier", name, "warn", error.message, error.hint)
    finally:
        client.close()
    took = f"answered after {first.latency_s:.1f} s, then after {second.latency_s:.1f} s; {second.tokens} tokens"
    if "cat" not in second.answer.animal.lower():
        advice = "choose a model that takes pictures: this one may see none"
        return Check("verifier", name, "warn", f"{took}; it does not see the cat in the sample", advice)
    late = first.latency_s > settings.timeout
    advice = f"keep the model loaded, or set `timeout` above {first.latency_s:.0f}s" if late else ""
    return Check("verifier", name, "warn" if late else "ok", took, advice)


def _question() -> "Question[Animal]":
    """Return a question about a frame of the bundled sample that shows a cat."""
    from daemon.vlm.types import Picture, Question
    from workers.sources.clips.from_file import record_file
    from workers.sources.clips.making import make_picture
    from workers.sources.url import parse_target
    from workers.types import CameraSpec

    with resources.as_file(resources.files("daemon").joinpath("sample", "sample.mp4")) as sample:
        camera = CameraSpec("sample", RedactedUrl(str(sample)))
        recording = record_file(camera, parse_target(camera.url), CAT_S, CAT_S)
        jpeg = make_picture(recording, CAT_S, camera, live=False)
    return Question("Say in English which animal the picture shows.", {}, (Picture(jpeg, "the picture"),), Animal)


class Animal(BaseModel):
    """What a verifier sees in the sample."""

    model_config = ConfigDict(extra="forbid")
    animal: Annotated[str, Field(max_length=200)]


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
