"""Loader: from a file to a ``Config``, or to an error with all problems."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from daemon.config.checks.combinations import mistakes, nothing_to_watch, oversights
from daemon.config.checks.plain_data import Finding
from daemon.config.document import Document, KeyPath, parse_document, read_document
from daemon.config.editor_schema import nearest, nearest_key
from daemon.config.errors import ConfigError, Problem
from daemon.config.schema import Config
from workers.redaction import MASK

UNKNOWN, MISSING = "unknown key", "missing"
NO_COOLDOWN = "events are always recorded; for fewer messages write `alert: {cooldown: …}`, for longer events merge_gap"
MADE = "an event with `when` is made of other events: it may have enabled, priority and alert besides"
_TYPES = {"dict": "a mapping of keys to values", "list": "a list", "string": "text", "bool": "true or false"}
_TYPES |= {
    "int": "a whole number",
    "float": "a number",
    "tuple": "a list",
    "model": "a mapping of keys to values",
}


def load_config(path: Path, env: Mapping[str, str] = os.environ, inputs_required: bool = True) -> Config:
    """Read a file, replace environment variables and validate; raise ``ConfigError`` with all problems.

    ``inputs_required`` is False for commands that take files as arguments, instead of cameras and uploads.
    """
    return _validate(_with_inputs(read_document(Path(path), env), inputs_required))


def config_of_text(text: str, path: Path, env: Mapping[str, str] = os.environ, inputs_required: bool = False) -> Config:
    """Return the configuration of a text that will lie at ``path``; raise ``ConfigError`` with all problems."""
    return _validate(_with_inputs(parse_document(text, path, env), inputs_required))


def _with_inputs(document: Document, required: bool) -> Document:
    """Add a problem to a document where inputs are required and there are none."""
    if required:
        document.problems += [document.problem(*finding) for finding in nothing_to_watch(document.data)]
    return document


def config_from(data: Mapping[str, Any], folder: Path, origin: str = "settings") -> Config:
    """Validate plain data as if it came from a file in ``folder``; raise ``ConfigError`` with all problems."""
    return _validate(Document(origin, folder, dict(data)))


def _validate(document: Document) -> Config:
    warnings = (*document.warnings, *(document.problem(*finding) for finding in oversights(document.data)))
    context = {"folder": document.folder, "warnings": warnings, "secrets": document.secrets}
    problems = list(document.problems)
    found = list(mistakes(document.data))
    try:
        config = Config.model_validate(document.data, context=context)
    except ValidationError as error:
        found += findings(document.data, error, nearest_key)
    # A value that has a problem already is not reported again for what follows from it.
    found = [f for f in found if not any(f[0][: len(bad)] == bad for bad in document.rejected)]
    problems += [document.problem(*finding) for finding in dict.fromkeys(found)]
    if problems:
        raise ConfigError(tuple(_masked(p, document.secrets) for p in sorted(problems, key=_place)))
    return config


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _masked(problem: Problem, secrets: set[str]) -> Problem:
    message, hint = problem.message, problem.hint
    for secret in sorted((s for s in secrets if len(s) >= 3), key=len, reverse=True):
        message, hint = message.replace(secret, MASK), hint.replace(secret, MASK)
    return Problem(problem.file, problem.line, problem.key, message, hint, problem.column)


def findings(data: Any, error: ValidationError, near: Callable[[KeyPath], str]) -> list[Finding]:
    """Return one finding per mistake, without consequences of another mistake.

    A key may be missing because it is misspelt, and a list too short because its items are invalid. ``near`` returns
    the hint for an unknown key.
    """
    details = error.errors(include_url=False, include_input=False)
    found = [_finding(data, detail, near) for detail in details]
    meant = {(*path[:-1], hint.split('"')[1]) for path, text, hint in found if text == UNKNOWN and '"' in hint}
    spoilt = [f[0] for f, detail in zip(found, details, strict=True) if detail["type"] != "too_short"]
    return [
        finding
        for finding, detail in zip(found, details, strict=True)
        if (finding[1] != MISSING or finding[0] not in meant)
        and (detail["type"] != "too_short" or not any(p[: len(finding[0])] == finding[0] for p in spoilt))
    ]


def _finding(data: Any, detail: ErrorDetails, near: Callable[[KeyPath], str]) -> Finding:
    path = _path(data, detail)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        special = NO_COOLDOWN if path[-1] == "cooldown" else MADE if "a rule over time" in detail["loc"] else ""
        return path, UNKNOWN, special or near(path)
    if kind == "missing":
        return path, MISSING, "add this key"
    if "[key]" in detail["loc"]:
        return path, "not a valid name", "use 1 to 64 letters, digits, _ and -"
    if kind == "value_error" and _value_at(data, path) is None:
        return path, "has no value", "add a value, or remove the key"
    if kind == "value_error":
        return path, str(context["error"]), ""
    if kind == "literal_error":
        choices = [c.strip("'") for c in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return path, f"must be one of {', '.join(choices)}", nearest(str(_value_at(data, path)), choices)
    return path, *_plain(kind, detail["msg"], _value_at(data, path))


def _plain(kind: str, message: str, value: Any) -> tuple[str, str]:
    """Return message and hint for pydantic's own checks of type and bounds."""
    expected = _TYPES.get(kind.split("_")[0])
    if value is None and expected:
        return f"has no value, but must be {expected}", "add a value, or remove the key"
    if kind.endswith(("_type", "_parsing", "_from_float")) and expected:
        hint = "put it in quotes" if kind == "string_type" and isinstance(value, int | float) else ""
        return f"must be {expected}", hint
    if kind == "too_short" and isinstance(value, list | dict):
        return "must not be empty", "add at least one entry"
    text = message.removeprefix("Input ").removeprefix("String ").removeprefix("Value ")
    return text[:1].lower() + text[1:], ""


def _path(data: Any, detail: ErrorDetails) -> KeyPath:
    """Return the part of pydantic's location that is in the file; the location also names branches of unions."""
    path: KeyPath = ()
    for step in detail["loc"]:
        known = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list | tuple) else ()
        if step in known:
            path, data = (*path, step), data[step]
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _value_at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data
