"""Files of features: what was written is read again, and whatever else lies there is told, not executed."""

import json
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from alignment.errors import FeatureError
from alignment.search.feature_file import LAYOUT, FeatureFile, load_features, save_features
from alignment.types import SOUND_CLASSES, FeatureWindow


def features(clips: int = 5, said: int = 2) -> FeatureFile:
    rng = np.random.default_rng(0)
    t = np.arange(clips, dtype=np.float64)
    window = FeatureWindow(
        bounds=np.stack([t, t + 1], axis=1),
        frames=rng.normal(size=(clips, 4)).astype(np.float32),
        frame_mask=t != 1,
        speech=rng.normal(size=(said, 3)).astype(np.float32),
        speech_t=np.array([[i, i + 0.5] for i in range(said)]).reshape(-1, 2),
        sound=rng.random((clips, SOUND_CLASSES)).astype(np.float32),
        sound_mask=t > 0,
    )
    return FeatureFile(
        "front door", window, tuple(f"said {i} – 你好" for i in range(said)), "lite/x@1", 1.0, clips + 0.1
    )


@pytest.mark.parametrize(("clips", "said"), [(5, 2), (3, 0), (0, 0)])
def test_what_was_written_is_read_again(tmp_path: Path, clips: int, said: int) -> None:
    written = features(clips, said)
    path = tmp_path / "new folder" / "a.safetensors"
    save_features(path, written)
    read = load_features(path)
    assert replace(read, window=written.window) == written
    for name in LAYOUT:
        one, other = getattr(read.window, name), getattr(written.window, name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_every_field_of_a_window_is_kept() -> None:
    assert {*LAYOUT, "detections"} == {f.name for f in fields(FeatureWindow)}  # which nothing is trained on


def test_a_row_that_is_no_number_is_kept_for_the_aligner_to_leave_out(tmp_path: Path) -> None:
    sick = features()
    sick.window.frames[2] = np.nan
    save_features(tmp_path / "a", sick)
    assert np.isnan(load_features(tmp_path / "a").window.frames[2]).all()


def altered(path: Path, tensors: dict[str, Any] | None = None, metadata: dict[str, str] | None = None) -> Path:
    """Write a good file, then the same with other tensors or metadata (None: without)."""
    save_features(path, features())
    with safe_open(path, framework="np") as file:
        known = file.metadata()
    content = load_file(path) | (tensors or {})
    told = known | (metadata or {})
    save_file({k: v for k, v in content.items() if v is not None}, path, {k: v for k, v in told.items() if v})
    return path


@pytest.mark.parametrize(
    ("tensors", "metadata", "said"),
    [
        ({"frames": None}, {}, "has missing or invalid data: 'frames'"),
        ({"frames": np.zeros((4, 4), np.float32)}, {}, r"frames is float32\[4, 4\], not float32\[5, D\]"),
        ({"frames": np.zeros((5, 4), np.float64)}, {}, r"frames is float64"),
        ({"frames": np.zeros(5, np.float32)}, {}, r"frames is float32\[5\]"),
        ({"sound": np.zeros((5, 7), np.float32)}, {}, r"sound is float32\[5, 7\], not float32\[5, 521\]"),
        ({"speech": np.zeros((3, 3), np.float32)}, {}, r"speech is float32\[3, 3\], not float32\[2, D'\]"),
        ({"bounds": np.full((5, 2), np.nan)}, {}, "times are not all finite and rising"),
        ({"bounds": np.zeros((5, 2)) - [[0, 1]]}, {}, "times are not all finite and rising"),
        ({}, {"format": "watchword-features/9"}, "has format 'watchword-features/9'"),
        ({}, {"format": ""}, "has format None"),
        ({}, {"texts": "[1"}, "has missing or invalid data"),
        ({}, {"texts": "null"}, "has missing or invalid data"),
        ({}, {"texts": '["one"]'}, r"speech is float32\[2, 3\], not float32\[1, D'\]"),
        ({}, {"encoder": ""}, "has missing or invalid data: 'encoder'"),
        ({}, {"hop_s": "soon"}, "has missing or invalid data"),
        ({}, {"hop_s": "0"}, "invalid hop 0.0 s"),
        ({}, {"duration_s": "nan"}, "duration nan s"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, tensors: dict[str, Any], metadata: dict[str, str], said: str) -> None:
    path = altered(tmp_path / "a.safetensors", tensors, metadata)
    with pytest.raises(FeatureError, match=said) as caught:
        load_features(path)
    assert "a.safetensors" in caught.value.message
    assert "extract" in caught.value.hint


class Bomb:
    def __reduce__(self) -> Any:
        return (print, ("executed",))


def test_damaged_and_malicious_files_execute_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good"
    save_features(good, features())
    content = good.read_bytes()
    header = json.dumps({"frames": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    wrong = {
        "empty": b"",
        "cut": content[:-7],
        "long": content + b"x",
        "pickle": pickle.dumps(Bomb()),
        "text": b"no features at all",
        "huge": len(header).to_bytes(8, "little") + header,
        "header": (1 << 60).to_bytes(8, "little") + content[8:],
    }
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FeatureError, match="is not a feature file, or is damaged") as caught:
            load_features(tmp_path / name)
        assert name in str(caught.value)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="cannot read features"):
        load_features(tmp_path / "absent")
    with pytest.raises(FeatureError, match="cannot read features"):
        load_features(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureError, match="cannot write"):
        save_features(tmp_path / "file" / "a", features())
    with pytest.raises(FeatureError, match="speech is"):
        save_features(tmp_path / "b", replace(features(), texts=()))
    assert not (tmp_path / "b").exists()
