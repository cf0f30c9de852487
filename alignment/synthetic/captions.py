"""Generated captions: descriptions of things with and without their names."""

import random
from collections.abc import Sequence

from alignment.lexicon import Thing

PLACES = (
    "on a table", "on the floor", "in the grass", "in the street", "on a shelf", "by the door", "in the water",
    "in a garden", "against a white wall", "in front of a house", "at night", "in a workshop", "in the snow",
)  # fmt: skip
COMPANY = (
    "held by a man", "next to a woman", "with a child", "and a hand", "and a dog", "in a man's hand",
    "being carried", "seen from above", "seen from the side", "covered in dust", "with a red ribbon",
)  # fmt: skip
LOOKS = ("small", "large", "red", "black", "white", "old", "brown", "new", "wet", "wooden", "bright", "single")
FRAMES = ("{}", "{}", "some kind of {}", "any kind of {}")


def with_article(noun: str) -> str:
    """Return "a cat" for "cat"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def captions(thing: Thing, rng: random.Random) -> tuple[str, ...]:
    """Return descriptions of one thing: by name, by name with a place or company, by synonyms, and by paraphrases.

    The gloss is not used, because encoders may have been trained on it.
    """
    names = (thing.name, *thing.synonyms)
    named = [with_article(n) for n in names]
    placed = f"{with_article(rng.choice(names))} {rng.choice(PLACES + COMPANY)}"
    looking = with_article(f"{rng.choice(LOOKS)} {rng.choice(names)}")
    return (*named, placed, looking, *thing.paraphrases)


def kind_captions(kind: str) -> tuple[str, ...]:
    """Return descriptions of a kind such as "a dog, a pet": each of its names, alone and in ``FRAMES``."""
    names = [k.strip() for k in kind.split(",")]
    bare = [n.split(" ", 1)[1] if n.startswith(("a ", "an ")) else n for n in names]
    return tuple(dict.fromkeys((*names, *(f.format(n) for n in bare[:1] for f in FRAMES[2:]))))


def misheard(sentence: str, vocabulary: Sequence[str], rng: random.Random, rate: float = 0.08) -> str:
    """Return a sentence with simulated recognition errors: each word is dropped or replaced at ``rate``."""
    kept = []
    for word in sentence.split():
        chance = rng.random()
        if chance >= rate:
            kept.append(word)
        elif chance < rate / 2:
            kept.append(rng.choice(vocabulary))
    return " ".join(kept) or sentence
