"""Edits of a YAML text: each changes the lines of the entries that differ, and leaves every other line as it is.

The text is composed to know where each entry stands. A block entry that differs is rewritten by itself (``fragments``),
a new one is inserted behind the last of its mapping, and one that is removed takes the comments inside it along; those
above it stay. Afterwards the text is read again: unless it says exactly what was wanted, the edit is refused. That is
the case where an anchor (``&``) would change other entries as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from daemon.config.checks.plain_data import mapping
from daemon.config.document import KeyPath, compose, dotted, parse_document
from daemon.config.editing.fragments import Unwritable, new_entry, rewritten, same
from daemon.config.errors import ConfigError, Problem

BY_HAND = "edit the file by hand: it may use anchors (&, *) here, which other places share"


@dataclass(frozen=True, slots=True)
class Put:
    """Adds or replaces the value at a path of keys. Of a mapping, equal values inside keep their text and comments."""

    path: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes the entry at a path of keys."""

    path: tuple[str, ...]


Edit = Put | Remove


def written_data(text: str, path: Path) -> dict[str, Any]:
    """Return the data of a text as it is written, with placeholders; raise ``ConfigError`` with all problems."""
    document = parse_document(text, path, None)
    if document.problems:
        raise ConfigError(tuple(document.problems))
    return document.data


def edited(text: str, edits: Sequence[Edit], path: Path) -> str:
    """Return a text with edits; raise ``ConfigError`` where one is impossible. The result is not validated."""
    for edit in edits:
        text = _edited(text, edit, path)
    return text


def _edited(text: str, edit: Edit, path: Path) -> str:
    written = written_data(text, path)
    wanted = _with(written, edit.path, edit, path)
    if same(written, wanted):
        return text
    ending = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    try:
        result = _Text(text, path).changed(written, wanted)
        if not same(written_data(result, path), wanted):
            raise Unwritable("other values would change")
    except (Unwritable, ConfigError):
        line = parse_document(text, path, None).problem(edit.path, "", "").line
        raise ConfigError((Problem(str(path), line, dotted(edit.path), "cannot be edited", BY_HAND),)) from None
    return result.replace("\n", ending)


def _with(data: Any, keys: KeyPath, edit: Edit, file: Path) -> dict[str, Any]:
    """Return plain data with an edit below ``keys``, which are the rest of its path."""
    key, *rest = (str(k) for k in keys)
    known = dict(mapping(data))
    if rest:
        known[key] = _with(known.get(key), tuple(rest), edit, file)
    elif isinstance(edit, Put):
        known[key] = edit.value
    elif key in known:
        del known[key]
    else:
        raise ConfigError((Problem(str(file), 0, dotted(edit.path), "there is no such entry", "nothing to remove"),))
    return known


@dataclass(frozen=True, slots=True)
class _Splice:
    """Characters ``start`` to ``end`` of a text are replaced."""

    start: int
    end: int
    text: str


class _Text:
    """A YAML text with the places of its entries."""

    def __init__(self, text: str, path: Path) -> None:
        self._text = text if text.endswith("\n") else f"{text}\n"
        root = compose(self._text, path)
        if not isinstance(root, yaml.MappingNode):
            raise Unwritable("not a mapping")
        self._root = root
        self._step = _step(root)

    def changed(self, written: dict[str, Any], wanted: dict[str, Any]) -> str:
        """Return the text that says ``wanted`` instead of ``written``; raise ``Unwritable``."""
        if self._root.flow_style:
            return rewritten(self._text, written, wanted, self._step)
        text = self._text
        splices = list(self._mapping(self._root, written, wanted))
        splices.sort(key=lambda s: (s.start, s.end))
        for splice in reversed(splices):  # from behind; of two at one place the one yielded last stands last
            text = text[: splice.start] + splice.text + text[splice.end :]
        return text

    def _mapping(self, node: yaml.MappingNode, written: dict[str, Any], wanted: dict[str, Any]) -> Iterator[_Splice]:
        """Yield what changes in a mapping in block style, which keeps at least one entry."""
        keys = {key.value: (key, value) for key, value in node.value}
        for name, (key, value) in keys.items():
            if name in written and name not in wanted:
                yield _Splice(*self._lines(key, value), "")
            elif name in wanted and not same(written.get(name), wanted[name]):
                yield from self._entry(key, value, written.get(name), wanted[name])
        column = node.value[0][0].start_mark.column
        last_key, last_value = node.value[-1]
        end = self._lines(last_key, last_value, column - 1)[1]
        for name in wanted:
            if name not in keys and not same(written.get(name, _NONE), wanted[name]):
                yield _Splice(end, end, _indented(new_entry(name, wanted[name], self._step), column))

    def _entry(self, key: yaml.ScalarNode, value: yaml.Node, written: Any, wanted: Any) -> Iterator[_Splice]:
        """Yield what changes in one entry."""
        stays = isinstance(written, dict) and isinstance(wanted, dict) and written.keys() & wanted.keys()
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style and stays:
            yield from self._mapping(value, written, wanted)
            return
        start, end = self._lines(key, value)
        column = key.start_mark.column
        text, name = _indented(self._text[start:end], -column), key.value
        changed = rewritten(text, {name: written}, {name: wanted}, self._step)
        yield _Splice(start, end, _indented(changed, column))

    def _lines(self, key: yaml.Node, value: yaml.Node, deeper: int | None = None) -> tuple[int, int]:
        """Return where the lines of an entry begin and end, with comments behind it that are indented deeper."""
        column = key.start_mark.column
        start = key.start_mark.index - column
        if self._text[start : key.start_mark.index].strip(" ") or (start and self._text[start - 1] != "\n"):
            raise Unwritable("an entry does not begin its line")
        end = _end(key, value)
        if self._text[end - 1] != "\n":
            end = self._text.index("\n", end) + 1
        return start, self._comments(end, column if deeper is None else deeper)

    def _comments(self, end: int, column: int) -> int:
        """Return the end of comments that follow at ``end`` and are indented deeper than ``column``."""
        at = end
        while at < len(self._text):
            line, at = self._text[at : (after := self._text.index("\n", at) + 1)], after
            content = line.lstrip(" ")
            if content.startswith("#") and len(line) - len(content) > column:
                end = at
            elif content.strip():
                break
        return end


_NONE = object()


def _end(key: yaml.Node, value: yaml.Node) -> int:
    """Return where an entry ends. The end of a block collection is that of its last leaf; an alias ends elsewhere."""
    if value.start_mark.index < key.end_mark.index:
        return int(key.end_mark.index)
    if isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        return _end(*last) if isinstance(last, tuple) else _end(value.value[-2] if len(value.value) > 1 else key, last)
    return int(value.end_mark.index)


def _step(root: yaml.MappingNode) -> int:
    """Return by how many columns a file indents: the first mapping in a mapping says so; 2 if there is none."""
    for key, value in root.value:
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            return max(2, int(value.value[0][0].start_mark.column - key.start_mark.column))
    return 2


def _indented(text: str, columns: int) -> str:
    """Return lines indented by so many columns more, or less if it is negative; empty lines stay empty."""
    lines = text.split("\n")
    if columns >= 0:
        return "\n".join(f"{' ' * columns}{line}" if line.strip() else line for line in lines)
    return "\n".join(line[min(-columns, len(line) - len(line.lstrip(" "))) :] for line in lines)
