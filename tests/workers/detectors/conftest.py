"""The detectors and photographs; skipped where ONNX Runtime is not installed."""

import numpy as np
import pytest
from PIL import Image

from workers.detectors.detector import Detectors


@pytest.fixture(scope="session")
def detectors() -> Detectors:
    pytest.importorskip("onnxruntime")
    return Detectors()


def photo(name: str) -> np.ndarray:
    """Return one of scikit-image's public-domain photographs, RGB."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB"))
