"""A made embedding space as the encoder of a profile: everything but the two networks is what CLIP profiles run.

What was embedded before is remembered, for a process's tests ask for the same thousand names and the same sample.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from alignment.types import F32
from alignment.vectors import unit_rows
from tests.support.models.spaces import CLIP_29, Cones, Geometry
from workers.encoders.lite.classes import load_classes
from workers.encoders.lite.encoder import LiteEncoder, probable_classes
from workers.encoders.tower import Towers, TwoTowerEncoder
from workers.models.options import EncoderOptions
from workers.models.profiles import PROFILES

NOTHING = replace(CLIP_29, content=0.02)  # pictures that say nothing of what they show
GEOMETRIES = {"clip": CLIP_29, "nothing": NOTHING}
WEIGHTS = "model.safetensors"

_known: dict[str, F32] = {}  # sentences


class SpaceEncoder(TwoTowerEncoder):
    """The space that is named by the weights in ``options.model``: beliefs of ``lite`` and MiniLM in two cones."""

    def __init__(self, options: EncoderOptions) -> None:
        folder = Path(options.model or "")
        geometry = GEOMETRIES[(folder / "geometry").read_text()]
        super().__init__(options, folder, folder / WEIGHTS, _towers(geometry))


def _towers(geometry: Geometry) -> Towers:
    classes = load_classes()
    cones = Cones(geometry, classes.rows.shape[1])

    def image(pixels: torch.Tensor) -> torch.Tensor:
        frames = (pixels.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
        beliefs = np.stack([_beliefs(frame.shape, frame.tobytes()) for frame in frames])
        return torch.from_numpy(cones.frames(unit_rows(beliefs @ classes.rows)).astype(np.float32))

    def text(texts: list[str]) -> torch.Tensor:
        rows = cones.texts(unit_rows(_sentences(texts) - classes.centre))
        return torch.from_numpy(rows.astype(np.float32))

    cpu, plain = torch.device("cpu"), torch.float32
    return Towers(image, text, _lite().frame_spec, [0.0] * 3, [1.0] * 3, cpu, plain, scale=100.0, bias=None)


@cache
def _lite() -> LiteEncoder:
    return LiteEncoder(EncoderOptions(threads=1))


@cache
def _beliefs(shape: tuple[int, ...], pixels: bytes) -> F32:
    return probable_classes(_lite()._logits(np.frombuffer(pixels, np.uint8).reshape(1, *shape).copy()))[0]


def _sentences(texts: Sequence[str]) -> F32:
    new = [text for text in texts if text not in _known]
    _known.update(zip(new, _lite().encode_sentences(new), strict=True))
    return np.stack([_known[text] for text in texts])


def install_space(
    monkeypatch: pytest.MonkeyPatch, folder: Path, geometry: str = "clip", weights: int = 1
) -> EncoderOptions:
    """Make ``folder`` a model of the profile ``open_clip`` in a made space; return the options that load it.

    Other ``weights`` are another revision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"none": np.full(1, weights, np.float32)}, folder / WEIGHTS)
    (folder / "geometry").write_text(geometry)
    made = replace(PROFILES["open_clip"], encoder=f"{__name__}:SpaceEncoder")
    monkeypatch.setitem(PROFILES, "open_clip", made)
    return EncoderOptions("open_clip", str(folder), device="cpu", threads=1)
