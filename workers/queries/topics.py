"""What people say of a topic, as a further row of a description of speech.

"someone recites a poem" is said of verses that no word of it is in. So a description that is like those of a topic of
the lexicon is also looked for as what is said of that topic: halfway between its own row and the mean of the topic's
sentences, which is a document as it might be (HyDE, Gao et al. 2023), written beforehand. The half that is its own
keeps a description that was taken for the wrong topic from being found by that alone.

Embedding the topics takes seconds of a processor, so their rows in MiniLM's space are shipped, half a megabyte.
``python -m workers.queries.topics`` writes them anew after a change of the lexicon; a test compares them.
"""

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignment.lexicon import topics
from alignment.types import F32
from alignment.vectors import unit_rows
from workers.errors import ModelUnavailable
from workers.queries.modality import said_content

if TYPE_CHECKING:  # it imports torch, which reading descriptions does without
    from workers.encoders.sentences.minilm import MiniLM

FILE = "topics.safetensors"
ALIKE = 0.45  # cosine of a description with one of a topic's, from which it is about that topic
OWN = 2.0  # weight of a description beside what is said of its topic


def with_examples(rows: F32) -> F32:
    """Return descriptions of speech f32[P, 384], and after them one row for each that is about a known topic.

    Raise ``ModelUnavailable`` where the topics cannot be read.
    """
    if not len(rows):
        return rows
    described, topic, said = _topics()
    likeness = rows @ described.T
    nearest = likeness.argmax(axis=1)
    known = likeness.max(axis=1) >= ALIKE
    between = unit_rows(OWN * rows[known] + said[topic[nearest[known]]])
    return np.concatenate([rows, between])


@cache
def _topics() -> tuple[F32, "np.ndarray[tuple[int], np.dtype[np.int64]]", F32]:
    """Return all descriptions f32[N, 384], the topic of each int[N], and what is said of each topic f32[K, 384]."""
    from safetensors import SafetensorError, safe_open

    try:
        with resources.as_file(resources.files("workers.queries").joinpath(FILE)) as path, safe_open(path, "np") as f:
            if f.metadata()["texts"] != digest():
                raise ModelUnavailable(f"{FILE} is of another lexicon", "python -m workers.queries.topics")
            described, said = (unit_rows(f.get_tensor(name).astype(np.float32)) for name in ("described", "said"))
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(f"the topics of speech cannot be read: {error}", "install watchword again") from error
    sizes = [len(t.descriptions) for t in topics()]
    return described, np.repeat(np.arange(len(sizes)), sizes), said


def embed_topics(text: "MiniLM") -> dict[str, F32]:
    """Return the rows of all descriptions, without "someone says", and the mean row of what is said of each topic."""
    described = text.encode([said_content(d) for t in topics() for d in t.descriptions])
    said = np.stack([text.encode(t.sentences).mean(axis=0) for t in topics()])
    return {"described": described, "said": unit_rows(said)}


def digest() -> str:
    """Return what identifies the texts that the file was made of."""
    texts = [text for t in topics() for text in (*t.sentences, *(said_content(d) for d in t.descriptions))]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def main() -> None:
    """Write the file beside this module."""
    from safetensors.numpy import save_file

    from workers.encoders.sentences.minilm import MiniLM

    halves = {name: rows.astype(np.float16) for name, rows in embed_topics(MiniLM()).items()}
    save_file(halves, Path(__file__).with_name(FILE), {"texts": digest()})


if __name__ == "__main__":
    main()
