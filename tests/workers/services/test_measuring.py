"""What is measured of a model's space when it is first used: once, kept with the model, and never in the way."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

pytest.importorskip("efficientnet_lite_pytorch", reason="the lite profile is not installed")

from daemon.runtime.factory import SAMPLE  # after the guard above
from tests.support.models.space_encoder import SpaceEncoder, install_space
from workers.encoders.base import Encoder
from workers.encoders.lite.encoder import LiteEncoder
from workers.models.options import EncoderOptions
from workers.services import measuring
from workers.services.encoder import EncoderService
from workers.services.measuring import kept_strength, measured_calibration

pytestmark = pytest.mark.timeout(300)  # loads models, and embeds a thousand names

FIRST = "first use of a model: measuring its space on the bundled sample, once"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, EncoderOptions]]:
    """A model whose names are embedded already, so that each test takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        options = install_space(patch, tmp_path_factory.mktemp("models") / "space")
        SpaceEncoder(options)
        yield Path(str(options.model)), options


@pytest.fixture
def encoder(models: tuple[Path, EncoderOptions], tmp_path: Path) -> Encoder:
    """A new copy of the model."""
    folder, options = models
    return SpaceEncoder(replace(options, model=str(shutil.copytree(folder, tmp_path / folder.name))))


def place(encoder: Encoder) -> Path:
    assert encoder.space_file is not None
    return encoder.space_file


def test_a_model_is_measured_when_it_is_first_used_and_never_again(encoder: Encoder) -> None:
    with capture_logs() as logs:
        first = measured_calibration(encoder, SAMPLE)
        again = measured_calibration(encoder, SAMPLE)
    assert [entry["event"] for entry in logs] == [FIRST]
    assert first.strength == again.strength == kept_strength(place(encoder))
    assert first.strength == pytest.approx(5.3, abs=0.5)  # it is CLIP-like; `lite` has 6.85, noise 3.2
    document = json.loads(place(encoder).read_text())
    assert (document["model"], document["measured_on"]) == (encoder.info.id, "sample")
    assert document["figures"]["true"]["median"] > 4 > document["figures"]["others"]["high"]


def test_what_is_kept_is_of_one_model(encoder: Encoder) -> None:
    measured_calibration(encoder, SAMPLE)
    with pytest.MonkeyPatch.context() as patch:
        other = SpaceEncoder(install_space(patch, place(encoder).parent, weights=2))
        assert other.info.id != encoder.info.id
        assert kept_strength(place(other)) is None


def test_the_service_of_all_streams_scores_with_what_was_measured(
    models: tuple[Path, EncoderOptions], tmp_path: Path
) -> None:
    folder, options = models
    copied = replace(options, model=str(shutil.copytree(folder, tmp_path / folder.name)))
    service = EncoderService(copied, SAMPLE)
    try:
        strength = service.describe().calibration.strength
    finally:
        service.close()
    assert strength is not None
    assert strength == kept_strength(next(Path(str(copied.model)).glob("space-*.json")))


@pytest.mark.parametrize("damage", ["", "[]", '{"strength": "NaN"}', '{"strength": -1}', '{"strength": null}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "space.json").write_text(damage)
    assert kept_strength(tmp_path / "space.json") is None


def test_a_failure_is_one_warning_and_the_model_works(encoder: Encoder, tmp_path: Path) -> None:
    with capture_logs() as logs:
        found = measured_calibration(encoder, tmp_path / "gone.mp4")
    assert [(entry["log_level"], entry["event"]) for entry in logs][1:] == [
        ("warning", "the space of the model could not be measured")
    ]
    assert found == encoder.calibration
    assert len(found.panel) == 1000
    assert not place(encoder).exists()


def test_a_model_that_sees_nothing_is_said_with_one_warning(
    models: tuple[Path, EncoderOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = models
    shutil.copytree(folder, tmp_path / folder.name)
    blind = SpaceEncoder(install_space(monkeypatch, tmp_path / folder.name, "nothing"))
    with capture_logs() as logs:
        found = measured_calibration(blind, SAMPLE)
        measured_calibration(blind, SAMPLE)
    (warning,) = (entry for entry in logs if entry["log_level"] == "warning")
    assert "does not tell" in warning["event"]
    assert "watchword calibrate" in warning["hint"]
    assert found.strength == pytest.approx(3.2, abs=0.2)


def test_what_cannot_be_written_beside_the_model_is_kept_in_the_store(
    models: tuple[Path, EncoderOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, options = models
    monkeypatch.setenv("WATCHWORD_MODELS_DIR", str(tmp_path / "store"))
    monkeypatch.setattr("os.access", lambda *_: False)
    read_only = SpaceEncoder(options)
    assert place(read_only).parent == tmp_path / "store" / ".computed"
    measured_calibration(read_only, SAMPLE)
    assert {path.name.split("-")[0] for path in place(read_only).parent.iterdir()} == {"names", "space"}


def test_lite_has_a_fitted_curve_and_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    lite = LiteEncoder(EncoderOptions(threads=1))
    monkeypatch.setattr(measuring, "measure", pytest.fail)
    assert measured_calibration(lite, SAMPLE) is lite.calibration
