"""The JSON Schema of an event's document: what other programs may rely on.

Within one schema number changes only add: unknown properties are allowed, and no required one is ever removed.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from workers.events.event import SCHEMA_VERSION, Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False


def event_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12) as a document of its own."""
    head = {"$schema": DIALECT, "$id": f"urn:watchword:event:{SCHEMA_VERSION}"}
    return head | Event.model_json_schema(schema_generator=_WithoutTitles)
