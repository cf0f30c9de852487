"""Choice of a registered component by name."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from alignment.errors import ExitCode, WatchwordError

T = TypeVar("T")


class OptionError(WatchwordError):
    """An option does not exist, or its value is out of range."""

    code = "option_invalid"
    exit_code = ExitCode.USAGE
    remedy = "use one of the values that the message lists"


def choose(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return ``known[name]``; raise ``OptionError`` that lists the known names and the nearest one."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise OptionError(f"no {what} is called {name!r}", f"known: {', '.join(sorted(known))}{meant}")
