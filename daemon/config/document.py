"""Parser: YAML to plain data, with line and column of every value. All syntax problems are reported at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from daemon.config.environment import substitute
from daemon.config.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000  # keys, values and merges, as often as aliases repeat them
MAX_CHARACTERS = 2 * MAX_BYTES  # of all of them: every check reads them again
MAX_KEY = 100  # characters: every problem below a key repeats it
MAX_NUMBER = 100  # characters; `1:1:1:…` is a number of base 60 in YAML, and its value takes the square of its length

KeyPath = tuple[str | int, ...]

_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
_AS_TEXT = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"
_FOREIGN_TAGS = {"!secret", "!env", "!env_var", "!ENV", "!include", "!vault"}  # of other systems
# A password without quotes that begins with `*`, `&` or `!` is a name to YAML, and its errors tell such names.
_QUOTED_NAME = re.compile(r"(alias|anchor|tag handle|tag) (?:'.*'|\".*\")")
_PROSE = {"describe", "unlike"}  # whose values may hold any signs


def dotted(path: KeyPath) -> str:
    """Return a path as ``cameras.front.events[0]``; control characters are escaped."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p if p.isprintable() else ascii(p)}" for p in path)
    return text.removeprefix(".")


@dataclass(slots=True)
class Document:
    """One file as plain data. ``marks`` gives line and column (from 1) of each path."""

    file: str
    folder: Path
    data: dict[str, Any] = field(default_factory=dict)
    marks: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)  # values that are valid but probably not what was meant
    rejected: set[KeyPath] = field(default_factory=set)  # paths whose value already has a problem
    secrets: set[str] = field(default_factory=set)

    def problem(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """Return a problem with the position of the path, or of its nearest parent in the file."""
        at = next((m for n in range(len(path), 0, -1) if (m := self.marks.get(path[:n]))), (0, 0))
        return Problem(self.file, at[0], dotted(path), message, hint, at[1])


PLAIN_HINT = "write plain values, and {NAME} for an environment variable"
NEEDED = "it needs at least `cameras:` (or `uploads:`) and `events:`"


def read_document(path: Path, env: Mapping[str, str], needed: str = NEEDED) -> Document:
    """Read a file; raise ``ConfigError`` if it is unusable. Smaller problems are in ``Document.problems``.

    ``needed`` is the hint for an empty file.
    """
    return parse_document(parse_text(read_bytes(path), path), path, env, needed)


def parse_document(text: str, path: Path, env: Mapping[str, str] | None, needed: str = NEEDED) -> Document:
    """Return the document of a text that lies, or will lie, at ``path``; raise as ``read_document`` does.

    ``env`` None: values are as they are written, with their placeholders.
    """
    document = Document(str(path), path.resolve().parent)
    root = compose(text, path)
    if not isinstance(root, yaml.MappingNode) or not root.value:
        what = "the file is empty" if root is None or not root.value else "the file is not a mapping of keys to values"
        raise ConfigError((Problem(str(path), 0, "", what, needed),))
    document.data = _Reader(document, env).mapping(root, (), 0)
    return document


def compose(text: str, path: Path) -> yaml.Node | None:
    """Return the nodes of a text with their positions; raise ``ConfigError`` where it is no YAML."""
    try:
        return _Composer(text).get_single_node()
    except yaml.YAMLError as error:
        raise ConfigError((_yaml_problem(path, text, error),)) from None


def read_bytes(path: Path) -> bytes:
    """Return the content of a file of at most ``MAX_BYTES``; raise ``ConfigError``."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "give the path of the config file, or copy one from deploy/examples"
        raise _unusable(path, "no such file", hint) from None
    except OSError as error:
        hint = "give a YAML file that this user can read"
        raise _unusable(path, f"cannot be read: {error.strerror}", hint) from None
    if len(raw) > MAX_BYTES:
        raise _unusable(path, "larger than 1 MB", "give a YAML file, not a video")
    return raw


def parse_text(raw: bytes, path: Path) -> str:
    """Return the text of a file's content, without a byte order mark; raise ``ConfigError``."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(path, "not a text file in UTF-8", "give a YAML file") from None


def _unusable(path: Path, message: str, hint: str) -> ConfigError:
    return ConfigError((Problem(str(path), 0, "", message, hint),))


def _yaml_problem(path: Path, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that YAML does not allow; it has a position instead of a mark
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return Problem(str(path), line, "", "not YAML: contains a control character", "remove the character")
    lines = text.splitlines()
    here = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in here[: mark.column + 1]:
        return Problem(str(path), mark.line + 1, "", "contains a tab", "indent with spaces", mark.column + 1)
    what = _QUOTED_NAME.sub(r"\1", getattr(error, "problem", None) or "cannot be parsed")
    hint = "check indentation, colons and quotes of this line and the line before"
    return Problem(str(path), mark.line + 1, "", f"not YAML: {what}", hint, mark.column + 1)


def _named(tag: str) -> str:
    """Return how a message names a tag: not by its text, if a value that begins with ``!`` may have become one."""
    known = tag in _FOREIGN_TAGS or tag in _PLAIN or tag.startswith("tag:yaml.org,2002:python/")
    return f"the tag {tag[:MAX_KEY]}" if known else "a tag (a word that begins with !, unless it is in quotes)"


class _Composer(yaml.SafeLoader):
    """Composes nodes; rejects nesting that would exhaust the stack."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node; raise ``MarkedYAMLError`` where it is nested too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = yaml.Mark("", 0, self.line, self.column, "", 0)
            raise yaml.MarkedYAMLError(None, None, f"nested more than {MAX_DEPTH} deep", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Reader:
    """Converts nodes to data, replaces environment variables, and collects positions and problems."""

    def __init__(self, document: Document, env: Mapping[str, str] | None) -> None:
        self._doc = document
        self._env = env
        self._nodes = self._characters = 0
        self._construct = yaml.constructor.SafeConstructor()

    def mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        """Return a mapping's data; keys are always text, so that an event may be called ``no``."""
        result: dict[str, Any] = {}
        for key, value, merged in self._pairs(node, path, depth):
            at = (*path, key.value)
            if key.value in result:
                if not merged:
                    line, _ = self._doc.marks[at]
                    self._add(key, at, "duplicate key", f"the first one is in line {line}")
                continue
            self._doc.marks[at] = (key.start_mark.line + 1, key.start_mark.column + 1)
            result[key.value] = self._value(value, at, depth + 1)
        return result

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath, depth: int
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, bool]]:
        """Yield key, value, and whether they come from a merge (``<<: *base``). Own keys come first and win."""
        merges: list[yaml.Node] = []
        for key, value in node.value:
            self._count(key, path, depth)
            if not isinstance(key, yaml.ScalarNode) or len(key.value) > MAX_KEY:
                self._add(key, path, "a key must be a plain word", f"of at most {MAX_KEY} characters")
            elif key.tag == _MERGE:
                merges.append(value)
            else:
                yield key, value, False
        for merge in merges:
            for base in merge.value if isinstance(merge, yaml.SequenceNode) else (merge,):
                self._count(base, path, depth)
                if not isinstance(base, yaml.MappingNode):
                    self._add(base, path, "only a mapping can be merged with <<")
                    continue
                for key, value, _ in self._pairs(base, path, depth + 1):
                    yield key, value, True

    def _count(self, node: yaml.Node, path: KeyPath, depth: int) -> None:
        """Count the visit of a node, because memory and time grow with visits; raise ``ConfigError`` beyond a limit."""
        self._nodes += 1
        self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if self._nodes > MAX_NODES or self._characters > MAX_CHARACTERS or depth > MAX_DEPTH:
            line = node.start_mark.line + 1
            text = "too many values, or nested too deep, once its aliases are expanded"
            raise ConfigError((Problem(self._doc.file, line, dotted(path), text, "write it without aliases"),))

    def _value(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self._count(node, path, depth)
        if node.tag not in _PLAIN and node.tag != _AS_TEXT:
            self._reject(node, path, f"{_named(node.tag)} is not allowed", PLAIN_HINT)
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _item(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self._doc.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        return self._value(node, path, depth)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag != "tag:yaml.org,2002:str":
            return node.value if node.tag == _AS_TEXT else self._typed(node, path)
        if self._env is None:
            return node.value
        filled = substitute(node.value, self._env)
        self._doc.secrets |= filled.secrets
        for name in filled.missing:
            self._count(node, path, 0)
            hint = f"set it before the start: export {name}=…; for literal braces write {{{{ and }}}}"
            self._reject(node, path, f"the environment variable {name} is not set", hint)
        if _PROSE.isdisjoint(path):
            self._doc.warnings += [self._doc.problem(path, *doubt) for doubt in filled.doubts]
        return filled.text

    def _typed(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_NUMBER:
            self._reject(
                node, path, f"a number with more than {MAX_NUMBER} characters", "shorten it, or put it in quotes"
            )
            return None
        try:
            return self._construct.construct_object(node)
        except (ValueError, LookupError):  # an explicit tag that does not fit, `!!int abc`, `!!int ""`
            self._reject(node, path, f"{_named(node.tag)} does not fit the value", "write plain values")
            return None

    def _reject(self, node: yaml.Node, path: KeyPath, message: str, hint: str) -> None:
        self._doc.rejected.add(path)
        self._add(node, path, message, hint)

    def _add(self, node: yaml.Node, path: KeyPath, message: str, hint: str = "") -> None:
        mark = node.start_mark
        self._doc.problems.append(Problem(self._doc.file, mark.line + 1, dotted(path), message, hint, mark.column + 1))
