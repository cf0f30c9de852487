"""The summary of a file whose features are extracted now."""

from collections.abc import Callable
from pathlib import Path

from daemon.offline.extraction import EVERYTHING, Extractor
from daemon.summary.features import from_features
from daemon.summary.files import summarise_file
from daemon.summary.types import FileSummary
from workers.errors import SourceInvalid
from workers.types import EventSpec


def extract_summary(
    extractor: Extractor,
    path: Path,
    specs: tuple[EventSpec, ...],
    most: int,
    on_progress: Callable[[Path, float, float | None], None],
) -> FileSummary:
    """Watch a file for events and return its summary; raise the error of a file that cannot be read.

    Speech and sounds are analysed, too, whatever the events are about.
    """
    result, recording = extractor.watch(path, (*specs, *EVERYTHING), on_progress)
    if result.error is not None:
        raise result.error
    if recording is None:
        raise SourceInvalid(f"{path} has neither frames nor audio", "leave this file out")
    asked = {spec.name for spec in specs}
    events = [event for event in result.events if event.event in asked]
    features = from_features(recording.features, result.transcript)
    return summarise_file(str(path), result.duration_s, features, events, extractor.panel(), most)
