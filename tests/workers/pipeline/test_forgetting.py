"""A stream neither keeps nor tells again what was forgotten, also while it runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from colour_encoder import ColourEncoder
from memory_sink import MemorySink

from alignment.similarity import SimilarityAligner
from workers.forgetting import Erasures, Scope, hashed
from workers.pipeline import StreamPipeline, StreamTools
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.types import CameraSpec, EventSpec


def watch(path: Path, folder: Path) -> tuple[MemorySink, StreamPipeline]:
    encoder, sink = ColourEncoder(), MemorySink()
    camera = CameraSpec("cam", RedactedUrl(str(path)), audio=False)
    description = encoder.describe()
    aligner = SimilarityAligner(description.calibration)
    tools = StreamTools(encoder, None, aligner, sink, "cfg", folder / "evidence", erasures=folder / "erasures.jsonl")
    stream = StreamPipeline(camera, (EventSpec("red", ("red",)),), build_source(camera, description.frame_spec), tools)
    stream.run()
    return sink, stream


def test_a_file_that_is_watched_again_tells_all_but_what_was_erased(
    colour_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = colour_video([("grey", 4), ("red", 6), ("grey", 6), ("red", 5), ("grey", 3)])
    sink, _ = watch(path, tmp_path)
    first, second = dict.fromkeys(e.id for e in sink.events)
    for picture in (tmp_path / "evidence" / "cam").iterdir():
        picture.unlink()
    Erasures(tmp_path / "erasures.jsonl").add(Scope("cam", 1.0, 2.0), [first])
    again, stream = watch(path, tmp_path)
    assert {e.id for e in again.events} == {second}
    assert {p.name.partition(".")[0] for p in (tmp_path / "evidence" / "cam").iterdir()} == {second}
    assert stream.snapshot().suppressed == {"forgotten": 1}
    assert first not in (tmp_path / "erasures.jsonl").read_text()


def test_live_events_of_the_interval_are_forbidden_also_those_not_yet_known(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    asked = Erasures(path)
    assert not asked.forbids("cam", "a", (100.0, 110.0))
    Erasures(path).add(Scope("cam", 105.0, 120.0), ["b"])
    assert asked.forbids("cam", "a", (100.0, 110.0)), "seen by who has looked before"
    assert not asked.forbids("cam", "a", (121.0, 130.0))
    assert not asked.forbids("other", "a", (100.0, 110.0))
    assert not asked.forbids("cam", "a", None), "times of files are others"
    assert asked.forbids("other", "b", None)
    assert hashed("b") in path.read_text()


def test_damage_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    Erasures(path).add(Scope("cam", 1.0, 2.0), ["a"])
    path.write_text("{torn\n" + path.read_text())
    Erasures(path).add(Scope("cam", 5.0, 6.0), ["b"])
    again = Erasures(path)
    assert again.forbids("x", "a", None)
    assert again.forbids("cam", "c", (5.5, 5.6))


@pytest.mark.parametrize("name", ["../door", "", "a/b", "door\n"])
def test_a_scope_has_the_name_of_a_camera(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Scope(name, 0.0, 1.0)
