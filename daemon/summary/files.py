"""The summary of one file: tags, chapters, and its highlights."""

from collections.abc import Mapping, Sequence

import numpy as np

from alignment.summary.chapters import Chapter, chapters
from alignment.summary.novelty import novel_moments, novelty
from alignment.summary.tags import LEAST_CLIPS, Panel, heard_tags, names_seen, seen_tags
from alignment.types import F32, F64
from alignment.vectors import unit_rows
from daemon.summary.features import FileFeatures
from daemon.summary.moments import AFTER_S, BEFORE_S, Found, best_of, choose, curve_of
from daemon.summary.types import FileSummary, Moment, NamedChapter
from workers.events.event import Event
from workers.types import Utterance

CAMERA = "file"  # of the moments of a file
MOST = 12  # highlights
MOST_TAGS = 12  # of each kind
TITLE_NAMES, TITLE_LENGTH = 2, 60
NAMELESS = "the model knows no things by name: there are no tags of what is seen, unless a rule names objects"


def summarise_file(
    file: str, duration: float, features: FileFeatures, events: Sequence[Event], panel: Panel, most: int = MOST
) -> FileSummary:
    """Return the summary of a file of ``duration`` seconds, in which ``events`` were found."""
    clips = features.clips
    rows = unit_rows(np.asarray(clips.rows, np.float32))
    seen = _seen(rows, clips.t, features, panel)
    unlike = novelty(rows, clips.t)
    cut = chapters(rows, clips.t, duration)
    telling = choose([Found(CAMERA, False, events, novel_moments(unlike, most))], most)
    return FileSummary(
        file,
        duration,
        (*seen_tags(seen, features.hop_s)[:MOST_TAGS], *heard_tags(features.heard)[:MOST_TAGS]),
        tuple(NamedChapter(chapter, _title(chapter, seen, events, features.said)) for chapter in cut),
        _filled_up(telling, cut, most),
        curve_of(unlike),
        () if len(panel.rows) else (NAMELESS,),
    )


def _seen(rows: F32, t: F64, features: FileFeatures, panel: Panel) -> Mapping[str, F64]:
    """Return when what is seen, by name: what frames look like, and the objects that were detected."""
    names = names_seen(rows, panel)
    looks = {panel.names[number]: t[names == number] for number in np.unique(names[names >= 0])}
    return looks | features.objects


def _title(chapter: Chapter, seen: Mapping[str, F64], events: Sequence[Event], said: Sequence[Utterance]) -> str:
    """Return what a chapter is about: what is seen most in it, else an event, else its longest words, else nothing."""
    counts = {name: int(((t >= chapter.start) & (t < chapter.end)).sum()) for name, t in seen.items()}
    often = sorted((-count, name) for name, count in counts.items() if count >= LEAST_CLIPS)
    if often:
        return ", ".join(name for _, name in often[:TITLE_NAMES])
    inside = [event for event in events if chapter.start <= best_of(event) < chapter.end]
    if inside:
        return max(inside, key=lambda event: event.score).description[0]
    words = [u.text.strip() for u in said if chapter.start <= (u.start_s + u.end_s) / 2 < chapter.end]
    longest = max(words, key=len, default="")
    return longest if len(longest) <= TITLE_LENGTH else f"{longest[: TITLE_LENGTH - 1].rstrip()}…"


def _filled_up(telling: Sequence[Moment], cut: Sequence[Chapter], most: int) -> tuple[Moment, ...]:
    """Return moments, and of the longest chapters that none of them is in what is typical, in order of time."""
    bare = [c for c in cut if not any(m.start < c.end and m.end > c.start for m in telling)]
    longest = sorted(bare, key=lambda chapter: chapter.start - chapter.end)[: max(0, most - len(telling))]
    return tuple(sorted([*telling, *map(_typical, longest)], key=lambda moment: moment.start))


def _typical(chapter: Chapter) -> Moment:
    """Return the moment that shows what a chapter is like."""
    first = max(chapter.start, chapter.typical - BEFORE_S)
    return Moment(CAMERA, first, min(chapter.end, chapter.typical + AFTER_S), chapter.typical, False)
