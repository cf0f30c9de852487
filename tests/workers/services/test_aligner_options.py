"""Aligners by name: what tells two apart, and weights that cannot be used."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alignment.aligners.trained.checkpoint import save_checkpoint
from alignment.calibration import LITE_CALIBRATION
from alignment.errors import CheckpointError
from tests.support.models.aligners import random_network
from workers.services.aligner_options import AlignerOptions, aligner_id, build_aligner, check_checkpoint, load_network


@pytest.fixture
def own(tmp_path: Path) -> AlignerOptions:
    """An aligner with weights of one's own."""
    save_checkpoint(tmp_path / "own.safetensors", random_network(), {})
    return AlignerOptions(checkpoint=tmp_path / "own.safetensors")


def test_a_name_changes_with_whatever_changes_scores(own: AlignerOptions, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "other.safetensors", random_network(1), {})
    options = [own, replace(own, checkpoint=tmp_path / "other.safetensors"), replace(own, quantize="int8")]
    options.append(AlignerOptions())
    names = {load_network(o, LITE_CALIBRATION).name for o in options}
    assert len(names | {build_aligner(LITE_CALIBRATION, None).name}) == len(options) + 1
    assert len({aligner_id(o) for o in [*options, AlignerOptions("similarity")]}) == len(options) + 1


def test_weights_are_known_by_what_they_hold_and_not_by_where_they_lie(own: AlignerOptions, tmp_path: Path) -> None:
    moved = shutil.copy(str(own.checkpoint), tmp_path / "moved.safetensors")
    assert aligner_id(replace(own, checkpoint=Path(moved))) == aligner_id(own)


def test_weights_that_cannot_be_used_are_told_unless_nothing_uses_them(own: AlignerOptions, tmp_path: Path) -> None:
    check_checkpoint(own)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        check_checkpoint(AlignerOptions(checkpoint=broken))
    check_checkpoint(AlignerOptions("similarity", broken))
