"""Deterministic event ids: the same occurrence gets the same id however often it is found."""

import hashlib

COARSEST_S = 1.0  # two sentences can be closer than two sampled frames, and are two occurrences


def event_id(
    camera: str, epoch: str, event: str, version: str, opened_s: float, hop_s: float, model: str, config: str
) -> str:
    """Return 24 hexadecimal digits that name one occurrence.

    ``opened_s`` (stream seconds) is rounded to the hop grid (never coarser than ``COARSEST_S``), so that a slightly
    other start does not rename the event. The fields are joined by a separator that none of them can contain, so no
    two sets of fields collide.
    """
    slot = round(opened_s / min(hop_s, COARSEST_S))
    fields = (camera, epoch, event, version, str(slot), model, config)
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:24]
