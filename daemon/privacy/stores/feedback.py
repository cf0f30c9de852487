"""Files of events, by which they are judged or seen by a verifier; clicks, and the heads that were made of them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from alignment.errors import FeatureError
from alignment.personal.files import unpack_samples
from daemon.feedback.store import FeedbackStore
from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places, files_by_age, looked_at, remove_files
from workers.events.erasures import Scope
from workers.events.event import Event
from workers.events.kept_frames import span_of


def _span_of_samples(content: bytes) -> tuple[float, float] | None:
    about = unpack_samples(content)[1]
    start, end = about.get("start"), about.get("end")
    return (start, end) if isinstance(start, float) and isinstance(end, float) else None


class SampleData:
    """``Store`` of ``feedback/samples/CAMERA/ID.safetensors``."""

    read_span = staticmethod(_span_of_samples)

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.feedback_samples

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope: of a file, those that were found in that time."""
        files = self._files(scope.camera)
        return {path.stem for written, path in files if scope.overlaps(*(self._span(path) or (written, written)))}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the files of these events."""
        return [str(path) for _, path in self._files(scope.camera) if path.stem in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove files."""
        remove_files(items)

    def expire(self, limits: Limits) -> int:
        """Remove files that are older than the retention time."""
        files = files_by_age(self._folder.glob("*/*.safetensors"))
        old = [path for written, _, path in files if written < (limits.since or 0)][:EXPIRE_LIMIT]
        remove_files(old)
        return len(old)

    def _files(self, camera: str) -> Iterator[tuple[float, Path]]:
        for written, _, path in looked_at(self._folder.glob(f"{camera}/*.safetensors")):
            yield written, path

    def _span(self, path: Path) -> tuple[float, float] | None:
        """Return start and end of a live event, Unix seconds; of a file's event none: it was found when written."""
        with suppress(OSError, FeatureError):
            return self.read_span(path.read_bytes())
        return None


class FrameData(SampleData):
    """``Store`` of ``verification/frames/CAMERA/ID.safetensors``."""

    read_span = staticmethod(span_of)

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.verification_frames


class ClickData:
    """``Store`` of clicks. With a click go the heads of its event; the daemon makes one of the clicks that are left."""

    def __init__(self, places: Places) -> None:
        self._store, self._heads = FeedbackStore(places.layout.feedback), places.layout.heads

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {click.event_id for click in self._store.clicks() if scope.covers(Event.from_json(click.body))}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the ids of these events, as far as somebody has judged them."""
        return [click.event_id for click in self._store.clicks() if click.event_id in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove clicks and what was made of them."""
        gone = set(items)
        events = {click.event for click in self._store.clicks() if click.event_id in gone}
        if events:
            self._store.erase(items)
            remove_files(self._heads / f"{event}.safetensors" for event in events)

    def expire(self, limits: Limits) -> int:
        """Remove clicks that are older than the retention time."""
        old = [click.event_id for click in self._store.clicks() if click.at < (limits.since or 0)]
        self.remove(old)
        return len(old)
