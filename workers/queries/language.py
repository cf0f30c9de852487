"""The language of a description, by its script and by the words of the lexicon."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain

from alignment.lexicon import object_words, scenes, sound_classes, sounds, things, topics, wordings
from workers.encoders.sentences.minilm_package import english_words
from workers.errors import ModelUnavailable
from workers.queries.keywords import FUNCTION_WORDS

OTHER = "other"  # Latin letters, but words that are known in no language
NONE = ""  # a script that no language of the lexicon has
_WORD = re.compile(r"[^\W\d_]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def language_of(text: str) -> str:
    """Return "en", "zh", "de", "es", "fr" or "pt", else ``OTHER`` or ``NONE``.

    The language is the one that has most of the words. Where two have as many, it is English, unless the other explains
    words that English does not and neither explains all.
    """
    foreign = [c for c in text if c.isalpha() and not unicodedata.name(c, "").startswith("LATIN")]
    if foreign:
        return "zh" if all(_HAN.match(c) for c in foreign) else NONE
    words = [word.casefold() for word in _WORD.findall(text)]
    of = [_languages().get(word, frozenset()) for word in words]
    known = Counter(chain.from_iterable(of))
    if not known:
        return "en" if _are_english(words) else OTHER
    best = max(known, key=lambda language: (known[language], language == "en"))
    if best == "en":
        rivals = [x for x in known if known[x] == known["en"] and any(x in o and "en" not in o for o in of)]
        return rivals[0] if rivals and not all(of) else "en"
    return best


def _are_english(words: list[str]) -> bool:
    """Return whether the text model has all words whole; without the model nothing else is known of them."""
    try:
        return all(not english_words().isdisjoint((word, word.removesuffix("s"))) for word in words)
    except ModelUnavailable:
        return True


@cache
def _languages() -> Mapping[str, frozenset[str]]:
    """Return the languages of every word of the lexicon."""
    found: dict[str, set[str]] = {}
    for language, text in _texts():
        for word in _WORD.findall(text.casefold()):
            found.setdefault(word, set()).add(language)
    return {word: frozenset(languages) for word, languages in found.items()}


def _texts() -> Iterator[tuple[str, str]]:
    """Yield every text of the lexicon with its language."""
    english = [" ".join(FUNCTION_WORDS), *sound_classes()]
    english += [text for t in things() for text in (t.name, t.gloss, *t.paraphrases, *t.synonyms, *t.kinds)]
    english += [text for s in scenes() for text in (s.caption, *s.paraphrases)]
    english += [text for t in topics() for text in (*t.sentences, *t.descriptions)]
    yield from (("en", text) for text in english)
    yield from ((w.language, w.text) for w in wordings())
    for sound in sounds():
        for language, phrases in chain(sound.words.items(), sound.things.items()):
            yield from ((language, phrase) for phrase in phrases if "*" not in phrase)
    for language, lists in object_words().items():
        for part in lists.values():
            yield from ((language, phrases) for phrases in (part.values() if isinstance(part, dict) else [part]))
