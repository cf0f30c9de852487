"""Choosing one of several registered components by name."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from alignment.errors import WatchwordError

T = TypeVar("T")


class OptionError(WatchwordError):
    """A setting that no component has, or with a value that cannot be."""

    code = "option_invalid"


def choose(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return ``known[name]``; raise ``OptionError`` that lists the known names and the nearest one."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise OptionError(f"no {what} is called {name!r}", f"known: {', '.join(sorted(known))}{meant}")
