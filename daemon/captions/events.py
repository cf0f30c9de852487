"""The caption of one event: its language, and what becomes of the answer."""

from collections.abc import Sequence

from daemon.captions.files import Ask
from daemon.captions.questions import PROMPT, of_event
from daemon.captions.types import Described, Written
from daemon.config import Config
from daemon.config.sections.events import EventConfig
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.types import Picture
from workers.events.event import Caption, Event
from workers.publish.log.records import Record


def caption_of(event: Event, pictures: Sequence[Picture], language: str, ask: Ask) -> Caption | None:
    """Return the caption of a closed event; None where it has neither pictures nor words. Raise ``VlmError``."""
    if not pictures and not event.evidence.words:
        return None
    reply = ask(of_event(event, pictures, language))
    answer = reply.answer
    tags = tuple(answer.attributes)
    return Caption(text=answer.caption, attributes=tags, language=language, model=reply.model, prompt=PROMPT)


def language_of(event: Event, config: Config, settings: VlmSettings) -> str:
    """Return the language in which an event is to be described: the rule's own on its camera, else the verifier's."""
    camera, rule = config.cameras.get(event.camera), config.events.get(event.event)
    override = camera.override(event.event) if camera else None
    own = rule.language if isinstance(rule, EventConfig) else None
    return (override.language if override else None) or own or settings.language


def described(record: Record, caption: Caption) -> Described:
    """Return an event's caption as it is found by its words."""
    event = record.event
    happened = (event.start, event.end) if event.live else (record.at, record.at)
    return Described(
        event.id,
        0,
        event.camera,
        event.segment.rpartition("/")[0],
        event.source.file if event.source else None,
        event.start,
        event.end,
        *happened,
        caption.text,
        Written(caption.language, caption.model, caption.prompt),
        tags=caption.attributes,
    )
