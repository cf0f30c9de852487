"""The JSON Schema of a configuration file, for editors and for suggestions of keys."""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from daemon.config.document import KeyPath
from daemon.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration file, with units in their written forms."""
    schema = Config.model_json_schema()
    for node in _nodes(schema):
        if "patternProperties" in node:
            node["additionalProperties"] = False
        if isinstance(node.get("title"), str):
            del node["title"]
    # An absent key has its default. The loader also accepts `null`, which an editor should not suggest.
    return {"$schema": DIALECT, "title": "Watchword configuration", **schema}


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from _nodes(child)


def nearest_key(path: KeyPath, schema: dict[str, Any] | None = None) -> str:
    """Return a hint for an unknown key: the nearest valid key, otherwise all valid keys.

    ``schema`` is the schema of the file; None: of a configuration.
    """
    known = sorted(_keys_at(path[:-1], schema or _schema()))
    return nearest(str(path[-1]), known) or f"known keys: {', '.join(known)}"


def nearest(word: str, known: list[str]) -> str:
    """Return ``did you mean "…"?``, or an empty text if no known word is similar."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else ""


@cache
def _schema() -> dict[str, Any]:
    return json_schema()


def _keys_at(path: KeyPath, schema: dict[str, Any]) -> set[str]:
    nodes = [schema]
    for key in path:
        nodes = [child for node in nodes for child in _children(node, key, schema)]
    return {key for node in nodes for form in _forms(node, schema) for key in form.get("properties", {})}


def _forms(node: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema's node and all its alternatives, references resolved."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    yield node
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _forms(choice, schema)


def _children(node: dict[str, Any], key: str | int, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for form in _forms(node, schema):
        if isinstance(key, int):
            yield from [form["items"]] if "items" in form else []
        elif key in form.get("properties", {}):
            yield form["properties"][key]
        else:
            yield from form.get("patternProperties", {}).values()
