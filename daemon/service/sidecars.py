"""What `watchword tag` writes of a file, written beside an upload that is done."""

import json
from collections.abc import Sequence
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from daemon.captions.documents import caption_document, file_document
from daemon.captions.store import CaptionStore
from daemon.captions.types import Described
from daemon.observability.camera_state import CameraState
from daemon.offline.exports import FORMATS, ExportError, Tagged, render, write_atomic
from daemon.offline.media_files import encodable
from daemon.offline.runner import warnings_of, watched_s
from daemon.privacy.stores.uploads import sidecar
from daemon.service.supervised_camera import SupervisedCamera

log = structlog.get_logger()


def results_of(file: str, upload: SupervisedCamera) -> Tagged:
    """Return what was found in an upload that is done, or why it could not be read; ``file``: how it is named."""
    snapshot, results = upload.snapshot, upload.snapshot.results
    if upload.state is not CameraState.ENDED:
        error = snapshot.failure or WatchwordError(snapshot.error or "the stream failed", "see the log")
        return Tagged(encodable(file), 0.0, (), error=error)
    events, transcript = (results.events, results.transcript) if results else ((), ())
    # counters go on from file to file
    warnings = (*snapshot.warnings, *warnings_of(snapshot, upload.before))
    return Tagged(encodable(file), watched_s(snapshot), events, warnings, transcript)


def write_sidecars(target: Path, tagged: Tagged) -> None:
    """Write the results beside ``target``, of a file that could not be read the JSON document only.

    What cannot be written is logged: the events are published all the same.
    """
    try:
        for form in FORMATS if tagged.error is None else FORMATS[:1]:
            write_atomic(sidecar(target, form), render(tagged, form))
    except ExportError as error:
        log.error("results of an upload cannot be written", file=tagged.file, code=error.code, error=str(error))


def describe_sidecar(file: Path, texts: Sequence[Described], captions: CaptionStore) -> None:
    """Add what a verifier wrote of an upload and of its events to the JSON document beside it, if there is one."""
    path = sidecar(file, "json")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document["description"] = file_document(texts)
        for event in document["events"]:
            for one in captions.of(event["id"]):
                event["caption"] = caption_document(one)
        write_atomic(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        if not file.exists():  # it was forgotten meanwhile
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, ExportError) as error:
        log.error("what was written of an upload cannot be added to its results", file=str(path), error=str(error))
