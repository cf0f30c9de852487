"""What is to be said of a search beside its moments."""

from collections.abc import Iterator

from daemon.search.results import Found
from workers.events.timestamps import iso


def notes(found: Found) -> Iterator[str]:
    """Yield how a search was read, what will not be found as it is meant, and what could not be searched."""
    if found.read_as:
        yield f"read as: {'; '.join(found.read_as)}"
    yield from found.warnings
    for part in found.unsearchable:
        yield (
            f"{part.camera}: {part.hours:.1f} h from {iso(part.since)[:16]} on were recorded by another model "
            f"({part.encoder}) and cannot be searched by this one; set that model again to search them, "
            "or watch the files again"
        )
    if not found.hours:
        yield "nothing that could be searched was recorded: is the index on (`index: {enabled: true}`)?"
    elif not found.moments:
        yield "nothing was found"
