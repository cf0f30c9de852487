"""The 1000 ImageNet classes as directions in MiniLM's space: how the `lite` profile puts a frame among descriptions.

Computing them takes 6000 sentences, about twenty seconds on a shared core, too long for a daemon's start: they are
shipped, 2.3 MB in half precision. ``python -m workers.encoders.lite.classes`` writes the file anew, after a change here
or in ``alignment/lexicon``; a test holds it against its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from alignment.lexicon import things
from alignment.types import F32
from alignment.vectors import unit_rows
from workers.encoders.sentences.minilm import MiniLM
from workers.errors import ModelUnavailable

FILE = "classes.safetensors"
NAME_TEMPLATES = ("{}", "a {}", "a photo of a {}")
KINDS_WEIGHT = 0.5


def class_names() -> list[str]:
    """Return the 1000 class names in the order of the network's outputs."""
    from torchvision.models import EfficientNet_B0_Weights

    return list(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes in MiniLM's space: unit rows, all around ``centre`` f32[384], the mean name.

    ``rows`` f32[1000, 384] is where a picture of a class lies: by its name in a few templates, by name and kinds, and
    by its main kind alone. ``told`` f32[2, 1000, 384] is by what else people call it: what it looks like, other names.
    """

    rows: F32
    told: F32
    centre: F32

    def likeness(self, described: F32, told: bool = True) -> F32:
        """Return f32[P, 1000]: how alike descriptions (centred unit rows f32[P, 384]) and classes are, however told."""
        named = described @ self.rows.T
        return np.asarray(np.maximum(named, (described @ self.told.transpose(0, 2, 1)).max(axis=0)) if told else named)


def build_classes(text: MiniLM) -> Classes:
    """Embed what the lexicon says of the classes."""
    names, kinds = class_names(), [t.kinds for t in things()]
    named = unit_rows(np.sum([text.encode([t.format(n) for n in names]) for t in NAME_TEMPLATES], axis=0))
    told = text.encode([", ".join([n, *k]) for n, k in zip(names, kinds, strict=True)])
    general = text.encode([k[0] if k else n for n, k in zip(names, kinds, strict=True)])
    rows = unit_rows(named + KINDS_WEIGHT * (told + general))
    centre = named.mean(axis=0)
    looks = text.encode([t.gloss for t in things()])
    others = _mean_rows(text, [t.synonyms or (t.name,) for t in things()])
    return Classes(unit_rows(rows - rows.mean(axis=0)), unit_rows(np.stack([looks, others]) - centre), centre)


def _mean_rows(text: MiniLM, groups: Sequence[Sequence[str]]) -> F32:
    """Return the mean direction of each group of texts, f32[len(groups), 384]."""
    rows = text.encode([t for group in groups for t in group])
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    return unit_rows(np.add.reduceat(rows, starts, axis=0))


def load_classes() -> Classes:
    """Return what ``build_classes`` returned when the file was written; raise ``ModelUnavailable``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        saved = load(resources.files("workers.encoders.lite").joinpath(FILE).read_bytes())
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"the class table {FILE} of the lite profile cannot be read: {error}", "install watchword again"
        ) from error
    rows, told = (unit_rows(saved[name].astype(np.float32)) for name in ("rows", "told"))
    return Classes(rows, told, saved["centre"].astype(np.float32))


def main() -> None:
    """Write the file beside this module."""
    from safetensors.numpy import save_file

    classes = build_classes(MiniLM())
    halves = {"rows": classes.rows.astype(np.float16), "told": classes.told.astype(np.float16)}
    save_file(halves | {"centre": classes.centre}, Path(__file__).with_name(FILE))


if __name__ == "__main__":
    main()
