"""Find described events in video, from Python.

    watchword.tag("clip.mp4", ["a dog"])               # the events of a file
    watchword.watch("rtsp://10.0.0.5/stream1", [...])  # events of a camera, while they happen
    watchword.Pipeline([...]).push(frame, t)           # events in frames of your own
    watchword.search("a red car")                      # moments that a daemon recorded

Models are loaded when they are first needed, which takes seconds, and are kept for later calls. ``docs/python.md``
says more. This package installs no log handler and prints nothing; its logger is ``watchword``.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignment.errors import WatchwordError
    from daemon.search.results import Moment
    from watchword import errors as errors
    from watchword.models import unload
    from watchword.pipeline import Pipeline
    from watchword.searching import search
    from watchword.tagging import tag
    from watchword.watching import Watch, watch
    from workers.events.event import Event

# Imported when first used: `import watchword` loads no model library.
_PLACES = {
    "Event": "workers.events.event",
    "Moment": "daemon.search.results",
    "Pipeline": "watchword.pipeline",
    "Watch": "watchword.watching",
    "WatchwordError": "alignment.errors",
    "search": "watchword.searching",
    "tag": "watchword.tagging",
    "unload": "watchword.models",
    "watch": "watchword.watching",
}

__all__ = ["Event", "Moment", "Pipeline", "Watch", "WatchwordError", "search", "tag", "unload", "watch"]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # without it Python prints warnings to stderr


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("watchword.errors")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors"})
