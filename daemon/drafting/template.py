"""From a draft to the text of a configuration file, with comments that say what else there is."""

import math
from collections.abc import Iterator

import yaml

from daemon.drafting.draft import CameraDraft, Draft, EventDraft

HEAD = """\
# Written by `watchword init`.
#   watchword check {path}    validates it, and says how each description is read
#   watchword run {path}      watches until Ctrl-C
# `{{NAME}}` in a value is the environment variable NAME: passwords need not stand here.
"""
TAIL = """\
models:
  profile: lite          # offline, on any machine; for actions a CLIP model: open_clip

# uploads: {folder: inbox, done: done}       # a folder whose files are watched as they arrive
# retention: {evidence: 14d, events: 90d}    # how long pictures and events are kept
# http: {port: 8765}                         # /healthz and /metrics
"""


def render(draft: Draft, path: str) -> str:
    """Return the file's text; ``path`` is where it will lie."""
    parts = (_head(draft, path), _cameras(draft), _events(draft), _redis(draft), TAIL.splitlines())
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(draft: Draft, path: str) -> Iterator[str]:
    yield HEAD.format(path=path).rstrip()
    if draft.notes:
        yield "#\n# Not taken over:"
        yield from (_comment(note, "#   ") for note in draft.notes)


def _cameras(draft: Draft) -> Iterator[str]:
    yield "cameras:"
    for i, camera in enumerate(draft.cameras):
        yield from _camera(camera, commented=not i)


def _camera(camera: CameraDraft, commented: bool) -> Iterator[str]:
    yield f"  {camera.name}:"
    yield from (_comment(comment, "    # ") for comment in camera.comments)
    if camera.doubt is not None:
        yield _comment(f"It did not open when this was written: {camera.doubt}", "    # ")
    yield f"    url: {_text(camera.url)}"
    if camera.zones:
        yield "    zones:              # areas: corners as shares of width and height, from the upper left"
        yield from (f"      {name}: [{', '.join(map(_corner, area))}]" for name, area in camera.zones)
        yield "    events:"
        yield from (f"      {event}:{_in_zones(camera, event)}" for event in camera.events or ())
    elif camera.events is not None:
        yield f"    events: [{', '.join(camera.events)}]"
    if commented:
        yield "    # fps: 1               # frames per second that are looked at, or keyframes"
        yield "    # masks: [[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]]    # look at the lower half only"


def _corner(corner: tuple[float, float]) -> str:
    return f"[{corner[0]:.4g}, {corner[1]:.4g}]"


def _in_zones(camera: CameraDraft, event: str) -> str:
    return f" {{zone: [{', '.join(name for name, _ in camera.zones)}]}}" if event in camera.in_zones else ""


def _events(draft: Draft) -> Iterator[str]:
    yield "events:"
    for i, event in enumerate(draft.events):
        yield from _event(event, draft.max_false_alerts, commented=not i)


def _event(event: EventDraft, budget: str | None, commented: bool) -> Iterator[str]:
    yield f"  {event.name}:"
    yield f"    describe: {_text(event.describe)}" + ("    # or a list of wordings" if commented else "")
    if event.modalities:
        yield f"    modalities: [{', '.join(event.modalities)}]"
    if budget is not None:
        yield f"    max_false_alerts: {budget}" + ("    # the threshold follows from it" if commented else "")
    elif commented:
        yield "    # max_false_alerts: 1/day    # instead of a fixed threshold"
    if commented:
        yield "    # unlike: [a similar thing]  # what must not count"
        yield "    # min_duration: 2s"


def _redis(draft: Draft) -> Iterator[str]:
    yield "redis:"
    explained = "    # Watchword starts a server; `watchword events list`" if draft.redis == "embedded" else ""
    yield f"  url: {_text(draft.redis)}{explained}"


def _text(value: str) -> str:
    """Return a value as a text of YAML in double quotes, on one line."""
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf).strip()


def _comment(text: str, start: str) -> str:
    return start + "".join(c if c.isprintable() else " " for c in text)
