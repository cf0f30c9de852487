"""A text memory around an encoder: for work that asks for the same words again and again."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from alignment.types import F32
from workers.encoders.base import TextEncoder


class RememberingEncoder:
    """The text side of a profile, which embeds every text once. ``learn`` embeds many at a time, fastest."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.vocabulary, self.likeness = encoder.vocabulary, encoder.likeness
        self._text, self._sentences = _Memory(encoder.encode_text), _Memory(encoder.encode_sentences)

    def learn(self, texts: Iterable[str], sentences: Iterable[str] = ()) -> None:
        """Embed what will be asked for."""
        self._text(list(texts))
        self._sentences(list(sentences))

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D]: descriptions in the frame space."""
        return self._text(texts)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D'] in the sentence space."""
        return self._sentences(texts)


class _Memory:
    def __init__(self, encode: Callable[[Sequence[str]], F32]) -> None:
        self._encode = encode
        self._rows: dict[str, F32] = {}

    def __call__(self, texts: Sequence[str]) -> F32:
        unknown = [t for t in dict.fromkeys(texts) if t not in self._rows]
        if unknown:
            self._rows.update(zip(unknown, self._encode(unknown), strict=True))
        return np.stack([self._rows[t] for t in texts]) if len(texts) else self._encode(())
