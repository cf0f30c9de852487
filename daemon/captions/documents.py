"""What was written of a file, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from daemon.captions.types import Described


def file_document(texts: Sequence[Described]) -> dict[str, Any] | None:
    """Return the document of ``CaptionStore.of``; None while the whole is not written, and where nothing can be."""
    whole = next((one for one in texts if one.number == 0 and one.text), None)
    if whole is None:
        return None
    chapters = [one for one in texts if one.number]
    return {
        "title": whole.title,
        "text": whole.text,
        "tags": list(whole.tags),
        "chapters": [
            {"start": round(one.start, 3), "end": round(one.end, 3), "title": one.title, "text": one.text}
            for one in chapters
        ],
        "transcript": [asdict(line) for one in chapters for line in one.said],
        **asdict(whole.written),
    }


def caption_document(text: Described) -> dict[str, Any]:
    """Return the caption of an event, in the form of ``Event.caption``."""
    return {"text": text.text, "attributes": list(text.tags), **asdict(text.written)}
