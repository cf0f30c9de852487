"""Towers of one's own: an image and a text tower that ``watchword train`` trained on annotated videos.

They know the words and pictures of those videos and nothing else. What is said is read by MiniLM, as in ``lite``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from alignment.calibration import LITE_CALIBRATION
from alignment.towers.tower_file import load_towers
from alignment.types import F32
from workers.encoders.sentences.minilm import MiniLM
from workers.encoders.tower import Towers, TwoTowerEncoder
from workers.errors import ModelUnavailable
from workers.models.device import limit_threads, pick_device
from workers.models.folder import find_weights
from workers.models.options import EncoderOptions
from workers.types import FrameSpec

CHECKPOINT = "checkpoint.safetensors"  # what ``watchword train`` writes; its folder also holds the run's state


class OwnEncoder(TwoTowerEncoder):
    """The towers in ``options.model``: the folder that ``watchword train`` wrote."""

    def __init__(self, options: EncoderOptions) -> None:
        folder = Path(options.model or "").expanduser()
        if not options.model or not folder.is_dir():
            raise ModelUnavailable(
                f"there are no towers in {options.model or 'models.model, which is not set'}",
                "set models.model to the folder that `watchword train` wrote, in a form that starts with . or /",
            )
        limit_threads(options.threads)
        weights = find_weights(folder, (CHECKPOINT,))
        trained = load_towers(weights)
        device = pick_device(options.device)
        towers, words, side = trained.towers.to(device), trained.vocabulary, trained.options.side
        made = Towers(
            image=towers.image,
            text=lambda texts: towers.text(words(texts).to(device)),
            spec=FrameSpec(side, side, "squash"),
            mean=[0.0] * 3,
            std=[1.0] * 3,
            device=device,
            dtype=next(towers.parameters()).dtype,  # small, and batch norms are no friends of half precision
            scale=float(towers.scale.detach()),
            bias=None,
        )
        super().__init__(replace(options, dtype="auto"), folder, weights, made, names=False)
        self.calibration = replace(LITE_CALIBRATION, vision=trained.curve, contrast=made.scale)
        self._sentences = MiniLM(options.quantize)
        self.info = replace(self.info, id=self.info.id + replace(options, dtype="auto").precision)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return unit rows f32[N, 384]."""
        return self._sentences.encode(texts)
