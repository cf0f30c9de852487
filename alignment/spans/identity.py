"""Deterministic event ids: the same occurrence gets the same id however often it is found."""

import hashlib

COARSEST_S = 1.0  # two sentences can be closer than two sampled frames, and are two occurrences


def event_id(camera: str, segment: str, event: str, definition: str, opened_s: float, hop_s: float, models: str) -> str:
    """Return 24 hexadecimal digits that name one occurrence of an event.

    The id depends on this event and this camera only: other cameras and events of a configuration do not change it.
    ``opened_s`` (stream seconds) is rounded to the hop grid (never coarser than ``COARSEST_S``), so that a slightly
    different start keeps the id. The fields are joined by a separator that none of them can contain, so that two
    different sets of fields never give the same text.
    """
    slot = round(opened_s / min(hop_s, COARSEST_S))
    fields = (camera, segment, event, definition, str(slot), models)
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:24]
