"""What works on this machine, found out by using it, and for each thing the one line that improves it."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Literal

from alignment.errors import WatchwordError
from daemon.health import profile_note
from workers.redaction import RedactedUrl

Status = Literal["ok", "warn", "fail"]

EMBEDDED = "embedded"
SHM = Path("/dev/shm")
SHM_WANTED = 1_000_000_000
MEMORY_WANTED = 3_000_000_000
SPEED_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``fail``: the daemon cannot run like this. ``advice`` is one line, empty where all is well."""

    area: str
    name: str
    status: Status
    detail: str
    advice: str = ""


def examine(redis: RedactedUrl) -> Iterator[Check]:
    """Yield every finding as it is made; ``redis`` is a server's URL or ``embedded``. Takes some seconds."""
    yield from _machine()
    yield from _decoders()
    yield _accelerator()
    yield from _models()
    yield _encoder()
    yield _aligner()
    yield _face_detector()
    yield redis_check(redis)
    yield _ray()


def usable(checks: tuple[Check, ...]) -> bool:
    """Return whether nothing found keeps the daemon from running."""
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
    """Judge the size of /dev/shm, bytes."""
    enough = size >= SHM_WANTED
    advice = "" if enough else "docker run --shm-size 1g, or `shm_size: 1gb` in compose: Ray would use the disk"
    return Check("machine", "shared memory", "ok" if enough else "warn", _gb(size), advice)


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
    from workers.models import list_models

    entries = list_models()
    for entry in (e for e in entries if e.profile == "lite"):
        detail = f"{entry.name} {entry.revision}, {entry.licence}, {entry.size_mb:.0f} MB"
        if not entry.installed:
            detail = f"{entry.name} is not installed ({entry.licence}, {entry.size_mb:.0f} MB)"
        yield Check("models", f"lite {entry.part}", "ok" if entry.installed else "warn", detail, entry.hint)
    larger = [e for e in entries if e.profile != "lite"]
    here = [f"{e.name} ({e.profile}, {e.licence}, {e.size_mb:.0f} MB)" for e in larger if e.installed]
    yield Check(
        "models",
        "actions",
        "ok" if here else "warn",
        ", ".join(here) or (profile_note("lite") or "").partition(". For actions")[0],
        "" if here else f"pip install 'watchword[clip]', {larger[0].hint}, and `models: {{profile: open_clip}}`",
    )


def _encoder() -> Check:
    """Load the default encoder and time it."""
    import numpy as np

    from workers.encoders.options import EncoderOptions
    from workers.encoders.registry import load_encoder

    try:
        encoder = load_encoder(EncoderOptions())
    except WatchwordError as error:
        return Check("models", "lite encoder", "fail", error.message, error.hint)
    spec = encoder.frame_spec
    frames = np.zeros((SPEED_FRAMES, spec.height, spec.width, 3), np.uint8)
    encoder.encode_frames(frames)
    started = time.perf_counter()
    encoder.encode_frames(frames)
    per_second = SPEED_FRAMES / (time.perf_counter() - started)
    detail = f"{per_second:.0f} frames a second on {encoder.info.device}: as many cameras at `fps: 1`, at most"
    return Check("models", "lite encoder", "ok", detail)


def _aligner() -> Check:
    """Load the default aligner."""
    from alignment.checkpoint import load_checkpoint, shipped_checkpoint

    try:
        model = load_checkpoint(shipped_checkpoint())
    except WatchwordError as error:
        return Check("models", "aligner", "fail", error.message, "pip install --force-reinstall watchword")
    weights = sum(p.numel() for p in model.parameters())
    return Check("models", "aligner", "ok", f"cross_attention, {weights:,} weights, as shipped")


def _face_detector() -> Check:
    """Load the detector of faces and time it."""
    import numpy as np

    from workers.sources.faces import DETAIL, FaceHider

    try:
        hider = FaceHider()
    except WatchwordError as error:
        return Check("privacy", "hiding faces", "warn", f"`blur_faces` cannot be used: {error.message}", error.hint)
    picture = np.zeros((224 * DETAIL, 224 * DETAIL, 3), np.uint8)
    hider(picture)
    started = time.perf_counter()
    hider(picture)
    return Check("privacy", "hiding faces", "ok", f"{(time.perf_counter() - started) * 1000:.0f} ms a frame of 224 px")


def redis_check(url: RedactedUrl) -> Check:
    """Ask a server for its version; for ``embedded`` start one in a folder of its own."""
    from workers.publish.embedded import EmbeddedServer

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
    from workers.publish.redis_errors import NATIVE_ERRORS, publish_error
    from workers.publish.redis_settings import RedisSettings, connect

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


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
