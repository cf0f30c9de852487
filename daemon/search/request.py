"""What is searched for, checked before any model is asked."""

from dataclasses import dataclass
from pathlib import Path

from alignment.errors import ExitCode, WatchwordError
from workers.detectors.classes import NAMES

MOST = 100  # moments
LONGEST = 300  # characters of a description


class SearchError(WatchwordError):
    """A search is not possible as it is asked for."""

    code = "search_invalid"
    exit_code = ExitCode.USAGE
    remedy = "see docs/search.md"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search; raise ``SearchError`` where it is none.

    One of ``text`` (a description), ``image`` (the bytes of an image file) and ``like`` (the id of an event) is given;
    or none of them, but ``classes`` or ``words``. ``spoken``: the text is said, not seen. ``cameras`` None: all.
    ``since`` and ``until``: Unix seconds. ``classes``: names of detected objects, any of which is near; ``words``: all
    of them are said near by.
    """

    text: str = ""
    image: bytes | None = None
    like: str | None = None
    spoken: bool = False
    cameras: frozenset[str] | None = None
    since: float | None = None
    until: float | None = None
    classes: tuple[str, ...] = ()
    words: str = ""
    limit: int = 20

    def __post_init__(self) -> None:
        given = [bool(self.text.strip()), self.image is not None, self.like is not None]
        if sum(given) > 1:
            raise SearchError("a search has one of: words, an image, an event", "leave the others out")
        if not any(given) and not (self.classes or self.words.strip()):
            raise SearchError("nothing is searched for", "describe it, or give an image, an event, a class or words")
        if len(self.text) > LONGEST:
            raise SearchError(f"the description has more than {LONGEST} characters", "describe it in a sentence")
        if self.spoken and not self.text.strip():
            raise SearchError("nothing is said what is searched for in speech", "give the words with `spoken`")
        if unknown := [name for name in self.classes if name not in NAMES]:
            raise SearchError(f"{unknown[0]!r} is no class of objects", f"classes are {', '.join(NAMES)}")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise SearchError("the end of the time is not after its beginning", "exchange them")
        if not 1 <= self.limit <= MOST:
            raise SearchError(f"{self.limit} moments cannot be asked for", f"ask for 1 to {MOST}")


def image_content(path: Path) -> bytes:
    """Return the bytes of an image file; raise ``SearchError`` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SearchError(f"cannot read {path}: {error.strerror or error}", "check the name and the rights") from error
