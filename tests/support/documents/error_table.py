"""The table of all error codes, ``docs/errors.md``, from the error classes. As a script it prints the document."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from alignment.errors import WatchwordError

PACKAGES = ("alignment", "workers", "daemon")
HEAD = """# Errors

Every error that Watchword reports has a stable code. It is in the log (`code`), in `/healthz` and in what a command
prints: `error [source_not_found]: …`. The exit code is that of a command which the error ends. *Retry*: the same
action may succeed later without any change; Watchword retries these by itself where it can.
[Troubleshooting](troubleshooting.md) starts from symptoms instead of codes.

`make errors` writes this page from the error classes; do not edit it.

| code | exit code | meaning | what to do | retry |
|---|---|---|---|---|
"""


def error_classes() -> list[type[WatchwordError]]:
    """Return every error class of the product, by code. Imports every module of the product."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return sorted(_family(WatchwordError), key=lambda kind: kind.code)


def document() -> str:
    """Return the text of ``docs/errors.md``."""
    return HEAD + "".join(f"{_row(kind)}\n" for kind in error_classes())


def meaning(kind: type[WatchwordError]) -> str:
    """Return the first paragraph of the class's own docstring as one line."""
    return " ".join(inspect.cleandoc(kind.__dict__["__doc__"] or "").partition("\n\n")[0].split())


def _family(kind: type[WatchwordError]) -> Iterator[type[WatchwordError]]:
    if kind.__module__.partition(".")[0] in PACKAGES:
        yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def _row(kind: type[WatchwordError]) -> str:
    exit_code = f"{kind.exit_code.value} {kind.exit_code.name.lower().replace('_', ' ')}"
    cells = (f"`{kind.code}`", exit_code, meaning(kind), kind.remedy, "yes" if kind.retryable else "no")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(document())
