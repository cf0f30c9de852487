"""Where evidence goes, and how long clips are."""

from pathlib import Path
from typing import Any

import pytest

from daemon.config import Config, config_from
from daemon.config.errors import ConfigError
from workers.types import ClipOptions


def config(folder: Path, **evidence: Any) -> Config:
    document = {
        "cameras": {"door": {"url": "rtsp://10.0.0.5/x"}, "bed": {"url": "rtsp://10.0.0.6/x", "clips": False}},
        "events": {"cat": {"describe": "a cat"}},
        "state_dir": "state",
        "evidence": evidence,
    }
    return config_from(document, folder, "test")


def test_by_default_evidence_lies_in_the_state_folder_and_clips_are_kept(tmp_path: Path) -> None:
    made = config(tmp_path)
    folder = made.evidence_folder()
    assert (folder.local, folder.remote) == (tmp_path / "state" / "evidence", None)
    assert made.evidence.options() == ClipOptions()
    assert [camera.clips for camera in made.camera_specs()] == [True, False]


def test_a_folder_is_relative_to_the_file_and_lengths_have_units(tmp_path: Path) -> None:
    made = config(tmp_path, where="./pictures", pre="2s", post=0, longest="2m", memory="64MiB", clips=False)
    assert made.evidence_folder().local == tmp_path / "pictures"
    assert made.evidence.options() == ClipOptions(False, 2.0, 0.0, 120.0, 64 << 20)


def test_a_url_is_of_a_file_system_that_is_installed_and_its_password_is_a_secret(tmp_path: Path) -> None:
    made = config(tmp_path, where="memory://user:geheimnis@host/cameras")
    folder = made.evidence_folder()
    assert folder.local == tmp_path / "state" / "evidence"  # until it is moved
    assert folder.location("door/x.jpg") == "memory://host/cameras/door/x.jpg"
    assert "geheimnis" in made.secrets()
    assert "geheimnis" not in repr(made) + made.model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"where": "nosuch://bucket/x"}, "nosuch"),
        ({"where": ""}, "path"),
        ({"pre": "2m"}, "60"),
        ({"longest": "1s"}, "5"),
        ({"memory": "10"}, "size"),
        ({"keep": "1d"}, "keep"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config(tmp_path, **wrong)
