"""The 1000 ImageNet classes as directions in MiniLM's space: how the `lite` profile puts a frame among descriptions.

Computing them takes 4000 sentences, 7 s on one core, too long for a daemon's start: they are shipped, 0.8 MB in half
precision. ``python -m workers.encoders.lite_classes`` writes the file anew, after a change here or in
``lite_kinds.json``; a test holds it against its source.
"""

import json
from importlib import resources
from pathlib import Path

import numpy as np

from alignment.types import F32
from workers.encoders.minilm import MiniLM
from workers.errors import ModelUnavailable

FILE = "lite_classes.safetensors"
NAME_TEMPLATES = ("{}", "a {}", "a photo of a {}")
KINDS_WEIGHT = 0.5


def class_names() -> list[str]:
    """Return the 1000 class names in the order of the network's outputs."""
    from torchvision.models import EfficientNet_B0_Weights

    return list(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])


def class_kinds() -> list[list[str]]:
    """Return, for each class, the kinds of thing it is, the most general first (may be empty)."""
    table = json.loads(resources.files("workers.encoders").joinpath("lite_kinds.json").read_text("utf-8"))
    kinds: list[list[str]] = [[] for _ in range(1000)]
    for kind, ranges in table.items():
        for part in ranges.split():
            first, _, last = part.partition("-")
            for i in range(int(first), int(last or first) + 1):
                kinds[i].append(kind)
    return kinds


def unit_rows(x: F32) -> F32:
    """Return ``x`` with rows of length 1; zero rows stay zero."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.maximum(length, 1e-12), np.float32)


def build_classes(text: MiniLM) -> tuple[F32, F32]:
    """Return the classes f32[1000, 384], centred unit rows, and the mean name f32[384], the centre of descriptions.

    A class is told by its name in a few templates, by name and kinds, and by its main kind alone.
    """
    names, kinds = class_names(), class_kinds()
    named = unit_rows(np.sum([text.encode([t.format(n) for n in names]) for t in NAME_TEMPLATES], axis=0))
    told = text.encode([", ".join([n, *k]) for n, k in zip(names, kinds, strict=True)])
    general = text.encode([k[0] if k else n for n, k in zip(names, kinds, strict=True)])
    rows = unit_rows(named + KINDS_WEIGHT * (told + general))
    return unit_rows(rows - rows.mean(axis=0)), named.mean(axis=0)


def load_classes() -> tuple[F32, F32]:
    """Return what ``build_classes`` returned when the file was written; raise ``ModelUnavailable``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        saved = load(resources.files("workers.encoders").joinpath(FILE).read_bytes())
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"the class table {FILE} of the lite profile cannot be read: {error}", "install watchword again"
        ) from error
    return unit_rows(saved["classes"].astype(np.float32)), saved["centre"].astype(np.float32)


def main() -> None:
    """Write the file beside this module."""
    from safetensors.numpy import save_file

    classes, centre = build_classes(MiniLM())
    save_file({"classes": classes.astype(np.float16), "centre": centre}, Path(__file__).with_name(FILE))


if __name__ == "__main__":
    main()
