"""The JSON Schema of an event's ``body``: what other programs may rely on.

Within one schema number changes only add; so unknown properties are allowed, and no required one ever goes.
"""

import json
from importlib import resources
from typing import Any

SCHEMA_VERSION = 1


def event_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12) as a document of its own."""
    text = resources.files("workers.publish").joinpath("event.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
