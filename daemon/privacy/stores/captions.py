"""Captions of events and of uploads."""

from collections.abc import Sequence

from daemon.captions.store import CaptionStore
from daemon.captions.types import is_upload, upload_owner
from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places
from daemon.privacy.stores.uploads import UploadRecords
from workers.events.erasures import PICTURED_S, Scope


class CaptionData:
    """``Store`` of captions. An item is an event or an upload; an upload's go with its file."""

    def __init__(self, places: Places) -> None:
        self._captions, self._uploads = CaptionStore(places.layout.captions), UploadRecords(places.layout.uploads)

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {i for i in self._within(scope) if not is_upload(i)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return these events as far as they have a caption, and the uploads that were watched in the scope."""
        uploads = {i for i in self._within(scope) if is_upload(i)}
        return [owner.id for owner in self._captions.owners() if owner.id in ids | uploads]

    def remove(self, items: Sequence[str]) -> None:
        """Remove captions."""
        self._captions.erase(items)

    def expire(self, limits: Limits) -> int:
        """Remove captions of events that are older than the retention time, and those of uploads that are gone."""
        kept = {upload_owner(upload.since) for upload in self._uploads.all()}
        old = [
            owner.id
            for owner in self._captions.owners()
            if (owner.id not in kept if is_upload(owner.id) else owner.until < (limits.since or 0))
        ][:EXPIRE_LIMIT]
        if old:
            self.remove(old)
        return len(old)

    def _within(self, scope: Scope) -> set[str]:
        owners = (owner for owner in self._captions.owners() if owner.camera == scope.camera)
        return {o.id for o in owners if scope.overlaps(o.since - PICTURED_S, o.until + PICTURED_S)}
