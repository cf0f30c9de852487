"""Deterministic event ids: the same occurrence gets the same id however often it is found."""

import hashlib


def event_id(
    camera: str, epoch: str, event: str, version: str, opened_s: float, hop_s: float, model: str, config: str
) -> str:
    """Return 24 hexadecimal digits that name one occurrence.

    ``opened_s`` (stream seconds) is rounded to the hop grid, so that a refined start does not rename the event.
    The fields are joined by a separator that none of them can contain, so no two sets of fields collide.
    """
    slot = round(opened_s / hop_s)
    fields = (camera, epoch, event, version, str(slot), model, config)
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:24]
