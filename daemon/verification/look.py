"""One look at one event: its pictures go to the model, and what the model says becomes the event's verification."""

from typing import Any

import structlog

from alignment.errors import FeatureError
from daemon.alerts.attachments import EvidenceReader
from daemon.verification.pictures import pictures_of
from daemon.verification.question import PROMPT, question_about
from daemon.vlm.client import VlmClient
from daemon.vlm.errors import VlmError
from daemon.vlm.types import Picture
from workers.events.event import Event, Verification
from workers.events.kept_frames import KeptFrame, frames_of
from workers.state_layout import StateLayout

NO_MODEL = "no model is configured for this camera"
NO_PICTURES = "no pictures of the event are kept"
OVER_BUDGET = "the event is over its budget: it is not alerted, and no model was asked"

log = structlog.get_logger()


def needs_look(event: Event, has_ended: bool) -> bool:
    """Return whether a model is to look at an event of which this is the last revision.

    It looks when the event opens, and where it did not confirm then, once more at the end. An event over its budget
    needs none before its end, for a later revision may take it back.
    """
    known = event.verification
    if known is None or known.look == "end":
        return False
    if has_ended:
        return known.verdict != "confirmed"
    return known.verdict == "pending" and not event.over_budget


class Looker:
    """Looks at events of one configuration. ``evidence`` reads their snapshots."""

    def __init__(self, layout: StateLayout, evidence: EvidenceReader) -> None:
        self._layout, self._evidence = layout, evidence

    def look(self, event: Event, client: VlmClient | None) -> tuple[dict[str, Any], str]:
        """Return what a model says of an event, and the code of the error for which it says nothing, or ``""``.

        What it says are the fields of its ``Verification``.
        """
        if client is None:
            return unavailable(NO_MODEL), "no_model"
        if event.over_budget:
            return unavailable(OVER_BUDGET), "over_budget"
        settings = client.settings
        pictures = self.pictures(event, settings.frames)
        if not pictures:
            return unavailable(NO_PICTURES), "no_pictures"
        try:
            reply = client.ask(question_about(event, pictures, settings.language), settings.timeout)
        except VlmError as error:
            return unavailable(error.message), error.code
        answer = reply.answer
        found = {
            "verdict": answer.verdict,
            "confidence": round(answer.confidence, 3),
            "why": answer.why,
            "doubt": answer.doubt,
            "model": reply.model,
            "latency_s": round(reply.latency_s, 3),
            "prompt": PROMPT,
        }
        return found, ""

    def pictures(self, event: Event, most: int) -> tuple[Picture, ...]:
        """Return what is sent of an event: at most ``most`` pictures, and a detail."""
        snapshot = self._evidence.snapshot(event)
        return pictures_of(event, self._kept(event), snapshot.content if snapshot else None, most)

    def _kept(self, event: Event) -> tuple[KeptFrame, ...]:
        """Return the frames that the stream kept of an event; none where they cannot be read."""
        try:
            return frames_of(self._layout.verification_frames / event.camera / f"{event.id}.safetensors")
        except (FeatureError, OSError) as error:
            log.warning("frames of an event cannot be read", camera=event.camera, id=event.id, error=str(error))
            return ()


def unavailable(why: str) -> dict[str, Any]:
    """Return that there is no verdict, and why."""
    return {"verdict": "unavailable", "why": why}


def after_look(known: Verification, found: dict[str, Any], has_ended: bool) -> Verification:
    """Return the verification of an event after a look, of which nothing of an earlier one is left."""
    kept = known.model_dump(include={"policy", "fallback", "description"}, exclude_unset=True)
    return Verification.model_validate(kept | {"look": "end" if has_ended else "opening"} | found)
