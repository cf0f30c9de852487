"""What of the lexicon's thousand names a description is most like: an encoder that knows only names knows no more."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from alignment.lexicon import Thing, things
from workers.encoders.base import TextEncoder
from workers.queries.keywords import content_words
from workers.queries.sought import look_of

SHOWN = 3
SAME = 0.75  # likeness from which a description means the nearest thing, whatever words it uses
ALIKE = 0.6  # below it, recall was 0.07 to 0.6; above it 0.9
SEVERAL = 3  # words that carry a description: from here on its likeness is not that of one word, as with "fire"
BESIDE = 0.55  # the same of a thing that somebody has or wears: the words for persons make the description less alike
_ALTERNATIVES = re.compile(r", | or ")


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a description is most like, the nearest first, and how alike the nearest is (0 to 1).

    ``named``: the description uses the noun of one of these names, of another word for it, or of its kind. "A fire" is
    like "fire engine", which is an engine.
    """

    likeness: float
    nearest: tuple[str, ...]
    kinds: tuple[str, ...]  # of the nearest
    named: bool
    words: int = 1  # that carry the description

    @property
    def known(self) -> bool:
        """Return whether frames that show what is described are likely to be recognised."""
        return self.likeness >= SAME or (self.likeness >= ALIKE and (self.named or self.words >= SEVERAL))

    @property
    def known_beside_person(self) -> bool:
        """Return the same for the thing of a description that also names a person: "a man in a shower cap"."""
        return self.likeness >= BESIDE and self.named


Nearest = Callable[[str], Names]


def nearest_names(encoder: TextEncoder) -> Nearest:
    """Return a function that finds the names nearest to a description of something visible."""

    def nearest(text: str) -> Names:
        """Return the names that resemble a text."""
        content = [look_of(text)]
        likeness = encoder.likeness(content, encoder.encode_text(content))
        first = [things()[i] for i in likeness.argsort()[::-1][:SHOWN]]
        words = {_singular(word) for word in content_words(content[0])}
        named = any(words & _nouns(thing) for thing in first)
        return Names(float(likeness.max()), tuple(t.name for t in first), first[0].kinds, named, len(words))

    return nearest


@cache
def _nouns(thing: Thing) -> frozenset[str]:
    """Return the nouns of a thing's names and kinds: "engine" and "truck" of "fire engine", "fire truck"."""
    return frozenset(_singular(name.split()[-1]) for name in _names(thing))


def _names(thing: Thing) -> Iterator[str]:
    yield from (thing.name, *thing.synonyms)
    for kind in thing.kinds:
        yield from _ALTERNATIVES.split(kind.partition(" on ")[0])


def _singular(word: str) -> str:
    """Return a word without the ending of an English plural, the same for both numbers if not always the singular."""
    word = word.casefold()
    return re.sub(r"(?:(?<=[sxz])es|(?<=[cs]h)es|(?<![su])s)$", "", re.sub(r"ies$", "y", word))
