import subprocess
import sys
from pkgutil import resolve_name
from typing import Any

import pytest

from workers.encoders.registry import load_encoder
from workers.errors import ModelUnavailable
from workers.models.options import EncoderOptions
from workers.models.profiles import PROFILES


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"no encoder profile 'clap'.*colour, lite, open_clip, own, transformers"
    ):
        load_encoder(EncoderOptions("clap"))  # type: ignore[arg-type]  # what a typing error in a config gives


@pytest.mark.parametrize("profile", list(PROFILES))
def test_every_registered_loader_exists_and_is_an_encoder_class(profile: str) -> None:
    loader = resolve_name(PROFILES[profile].encoder)
    for method in ("encode_frames", "encode_text", "encode_sentences"):
        assert callable(getattr(loader, method))


def test_a_profile_is_loaded_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("open_clip")
    with pytest.raises(ModelUnavailable, match="no folder /nowhere"):
        load_encoder(EncoderOptions("open_clip", "/nowhere"))


@pytest.mark.process
def test_the_registry_and_the_model_list_import_no_heavy_library() -> None:
    code = (
        "import sys, workers.encoders.registry, workers.models.catalogue\n"
        "import workers.services.batcher, daemon.commands.setup.models\n"
        "workers.models.catalogue.list_models()\n"
        "heavy = {'torch', 'transformers', 'open_clip', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("profile", "model"),
    [("open_clip", "ViT-B-32-256/datacomp_s34b_b86k"), ("transformers", "google/siglip2-base-patch16-224")],
)
def test_default_models(profile: Any, model: str) -> None:
    assert EncoderOptions(profile).resolved().model == model
    assert EncoderOptions(profile, "own/model").resolved().model == "own/model"


def test_what_answers_otherwise_has_another_id() -> None:
    assert EncoderOptions(dtype="float32", device="cuda", batch_size=3).precision == ""
    assert EncoderOptions(dtype="bfloat16", quantize="int8").precision == "/bfloat16/int8"
