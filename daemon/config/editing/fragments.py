"""One entry of a YAML file, ``key: value``, rewritten with its comments, order and style (ruamel.yaml, round trip).

Scalars stay the text that they are written as, and are never given a type: what an edit does not name cannot change,
neither a placeholder nor `0.60`, `no` or `0o17`.
"""

import io
import re
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString, SingleQuotedScalarString

WIDTH = 10_000  # no line is folded
_PLAIN = re.compile(r"[^\W\d][\w./-]*|-?\d[\w./-]*")  # needs no quotes if it is not read as another type
_TEXT = "tag:yaml.org,2002:str"
_types = yaml.resolver.Resolver()  # of the loader: YAML 1.1, where `no` is false and `22:00` a number


class Unwritable(Exception):
    """An entry cannot be rewritten: it refers to other places of the file, or is written too unusually."""


class _Untyped(VersionedResolver):
    """Takes every scalar for text."""

    @property
    def versioned_resolver(self) -> dict[str, Any]:
        return {}

    @property
    def processing_version(self) -> tuple[int, int]:
        return (1, 2)


def new_entry(key: str, value: Any, step: int = 2) -> str:
    """Return ``key: value`` as YAML text, indented by ``step``; it ends with a line break."""
    return _dump(CommentedMap({_scalar(key): _node(value)}), step)


def rewritten(text: str, written: dict[str, Any], wanted: dict[str, Any], step: int = 2) -> str:
    """Return the text of a mapping, changed from the data ``written`` to ``wanted``; raise ``Unwritable``."""
    loader = _yaml(step)
    try:
        mapping = loader.load(text)
    except YAMLError as error:  # an alias of an anchor elsewhere
        raise Unwritable(str(error)) from None
    if not isinstance(mapping, CommentedMap):
        raise Unwritable("not a mapping")
    _merge(mapping, written, wanted)
    return _dump(mapping, step)


def same(a: Any, b: Any) -> bool:
    """Return whether two pieces of plain data are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _yaml(step: int) -> YAML:
    writer = YAML()
    writer.Resolver = _Untyped
    writer.preserve_quotes = True
    writer.width = WIDTH
    writer.indent(mapping=step, sequence=step + 2, offset=step)
    return writer


def _dump(mapping: CommentedMap, step: int) -> str:
    stream = io.StringIO()
    _yaml(step).dump(mapping, stream)
    return stream.getvalue()


def _merge(mapping: CommentedMap, written: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in [key for key in mapping if key not in wanted]:
        del mapping[key]
    for key, value in wanted.items():
        if key not in mapping:
            mapping[_scalar(key)] = _node(value)
        elif not same(written.get(key), value):
            mapping[key] = _changed(mapping[key], written.get(key), value)


def _changed(node: Any, written: Any, wanted: Any) -> Any:
    """Return a node with a new value; what is in it and stays keeps its comments."""
    if isinstance(node, CommentedMap) and isinstance(written, dict) and isinstance(wanted, dict) and wanted:
        _merge(node, written, wanted)
        return node
    if isinstance(node, CommentedSeq) and isinstance(written, list) and isinstance(wanted, list) and wanted:
        for i, value in enumerate(wanted[: len(node)]):
            if not same(written[i], value):
                node[i] = _changed(node[i], written[i], value)
        del node[len(wanted) :]
        node.extend(_node(value, flow=True) for value in wanted[len(node) :])
        return node
    if isinstance(node, DoubleQuotedScalarString | SingleQuotedScalarString) and isinstance(wanted, str):
        return DoubleQuotedScalarString(wanted)
    return _node(wanted)


def _node(value: Any, flow: bool = False) -> Any:
    """Return plain data as nodes: mappings in block style, lists in one line."""
    if isinstance(value, dict):
        mapping = CommentedMap({_scalar(str(k)): _node(v, flow) for k, v in value.items()})
        if flow or not value:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq([_node(v, flow=True) for v in value])
        sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, str):
        return _scalar(value)
    if value is None or isinstance(value, bool):
        return PlainScalarString({None: "null", True: "true", False: "false"}[value])
    text = repr(value)
    return PlainScalarString(text.replace("e", ".0e") if "e" in text and "." not in text else text)


def _scalar(text: str) -> str:
    """Return a text, in quotes unless it is a word that no loader takes for anything else."""
    tag: str = _types.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # not in its stubs
    plain = tag == _TEXT and _PLAIN.fullmatch(text)
    scalar: str = PlainScalarString(text) if plain else DoubleQuotedScalarString(text)
    return scalar
