"""The sounds that a description names, by the words of the lexicon.

"glass breaking" names a sound by itself; "a dog" does only where the description is about hearing: "a dog is heard".
Words are compared without case and accents, in all languages of the lexicon at once. Chinese has no spaces, so a
Chinese phrase is looked for anywhere in the description.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from alignment.lexicon import Sound, sound_classes, sounds, things
from alignment.types import F32

EVEN = 0.5  # the midpoint of the sound curve of ``SimilarityCalibration``: as probable as not
CLASS_THRESHOLD = 0.3  # of a class that is named by AudioSet's own name
_WORD = re.compile(r"\w+\*?")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_HEARING = re.compile(  # "is heard" in German, Spanish, French and Portuguese; ``modality`` has English and Chinese
    r"\b(?:gerausche?|zu horen|hort man|man hort|horbar|gehort|klang|larm|sonidos?|ruidos?|se oyen?|se escuchan?"
    r"|suenan?|bruits?|sons? d\w*|on entend|s entend|soms?|barulhos?|ouvem?|escuta[mr]?)\b"
)
_PLACES = ("Inside", "Outside", "Music of", "Music for", "Noise", "Silence", "Sound effect", "Field recording")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A phrase of a sound: words that must all be in the description, or one Chinese phrase."""

    sound: Sound
    phrase: str
    words: tuple[str, ...]

    def find(self, folded: str, words: frozenset[str]) -> frozenset[str]:
        """Return the words of the description that the phrase covers, its characters if Chinese; empty: no match."""
        if _CHINESE.search(self.phrase):
            return frozenset(self.phrase) if self.phrase in folded else frozenset()
        covered: set[str] = set()
        for word in self.words:
            hits = {w for w in words if w.startswith(word[:-1])} if word.endswith("*") else words & {word}
            if not hits:
                return frozenset()
            covered |= hits
        return frozenset(covered)


def names_a_sound(text: str) -> bool:
    """Return whether a description names a sound by itself, or says that something is heard (not English, Chinese)."""
    folded = _fold(text)
    return bool(_HEARING.search(folded) or _named(folded, "words"))


def heard_sounds(text: str) -> tuple[Sound, ...]:
    """Return the sounds that a description about hearing names; empty if there is none.

    Things count only where no words name a sound, and AudioSet's own names of classes where there are neither.
    """
    folded = _fold(text)
    return _named(folded, "words") or _named(folded, "things") or _named(folded, "classes")


def sound_weights(texts: Iterable[str]) -> F32:
    """Return f32[K], the weight of each class of sound: ``EVEN`` / its threshold if a description names it, else 0."""
    weights = np.zeros(len(sound_classes()), np.float32)
    for sound in (s for text in texts for s in heard_sounds(text)):
        columns = [sound_classes().index(name) for name in sound.classes]
        weights[columns] = np.maximum(weights[columns], EVEN / sound.threshold)
    return weights


def known_sounds() -> str:
    """Return the names of the sounds, for messages."""
    return ", ".join(s.name for s in sounds())


def _named(folded: str, kind: str) -> tuple[Sound, ...]:
    """Return the sounds that phrases of a kind name, without those whose words are part of a longer name.

    "A smoke alarm" is no alarm of any kind, "an alarm clock" is a thing, and "a thunder snake" is an animal.
    """
    mine = _covered(folded, kind)
    longer = [words for k in (kind, "things", "names") for words in _covered(folded, k).values()] if mine else []
    return tuple(sound for sound, words in mine.items() if not any(words < other for other in longer))


def _covered(folded: str, kind: str) -> dict[Sound, frozenset[str]]:
    """Return the sounds that phrases of a kind match, each with the words of the description that they cover."""
    words, found = frozenset(_WORD.findall(folded)), dict[Sound, frozenset[str]]()
    starts = {_start(word) for word in words} | {""}
    for pattern in (p for start in starts for p in _patterns()[kind].get(start, ())):
        if covered := pattern.find(folded, words):
            found[pattern.sound] = found.get(pattern.sound, frozenset[str]()) | covered
    return found


def _start(phrase: str) -> str:
    """Return what a phrase is looked up by: the start of its first word, nothing for Chinese."""
    return "" if _CHINESE.search(phrase) else phrase[:2]


@cache
def _patterns() -> Mapping[str, Mapping[str, list[_Pattern]]]:
    """Return the patterns by kind and start."""
    by_kind = {
        "words": [(s, p) for s in sounds() for phrases in s.words.values() for p in phrases],
        "things": [(s, p) for s in sounds() for phrases in s.things.values() for p in phrases],
        "names": [(_of_class(t.name), name) for t in things() for name in (t.name, *t.synonyms) if " " in name],
        "classes": [(_of_class(name), part) for name in sound_classes() for part in _parts(name)],
    }
    patterns: dict[str, dict[str, list[_Pattern]]] = {kind: defaultdict(list) for kind in by_kind}
    for kind, rows in by_kind.items():
        for sound, phrase in rows:
            folded = _fold(phrase)
            patterns[kind][_start(folded)].append(_Pattern(sound, folded, tuple(_WORD.findall(folded))))
    return patterns


def _of_class(name: str) -> Sound:
    return Sound(name.lower(), (name,), CLASS_THRESHOLD, {}, {})


def _parts(name: str) -> list[str]:
    """Return the phrases of a class, whose name may join several; none for places and for no particular sound.

    "Rustle" becomes "rustl*", which "rustling" matches; words of three letters match as they are.
    """
    if name.startswith(_PLACES):
        return []
    parts = [part.split() for part in re.sub(r" \(.*\)", "", name).split(",") if part.strip() != "etc."]
    return [" ".join(word if len(word) < 4 else word.removesuffix("e") + "*" for word in part) for part in parts]


def _fold(text: str) -> str:
    """Return lower-case text without accents; what is neither letter, digit nor ``*`` becomes a space."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^\w*]+", " ", plain).strip()
