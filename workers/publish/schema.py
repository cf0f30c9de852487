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


def validate_body(body: dict[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` for a body that breaks the schema.

    For tests and other producers: it needs the package ``jsonschema``, which the daemon itself does not.
    """
    import jsonschema

    jsonschema.validate(body, event_schema(), cls=jsonschema.Draft202012Validator)
