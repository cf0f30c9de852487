"""Literal words of a query in what was said."""

import re
from collections.abc import Sequence

import numpy as np

from alignment.types import F32

WORD_BOOST = 0.2  # added to the cosine of an utterance that contains all the words
_WORD = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text, in small letters."""
    return frozenset(_WORD.findall(text.casefold()))


def shares_of_words(texts: Sequence[str], words: Sequence[str]) -> F32:
    """Return f32[S]: which share of the words each text contains; 0 where there are no words."""
    wanted = words_of(" ".join(words))
    return np.array([len(wanted & words_of(text)) / max(1, len(wanted)) for text in texts], np.float32)
