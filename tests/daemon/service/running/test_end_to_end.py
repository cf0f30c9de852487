"""The bundled sample through the whole daemon, in both runtimes, held against what truly happens in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs.daemon import json_lines, published, watchword

# All in the group of the test that needs Ray: the sample is watched once for both runtimes.
pytestmark = [pytest.mark.process, pytest.mark.xdist_group("ray")]

SAMPLE = Path(__file__).resolve().parents[4] / "daemon" / "sample"
TIMELINE = json.loads((SAMPLE / "timeline.json").read_text())


def run_sample(runtime: str, folder: Path) -> list[dict[str, Any]]:
    """Run the daemon once over the sample; return its events."""
    config = yaml.safe_load((SAMPLE / "sample.yaml").read_text())
    config |= {"runtime": runtime, "state_dir": str(folder / "state")}
    config["cameras"]["sample"]["url"] = str(SAMPLE / "sample.mp4")
    path = folder / "sample.yaml"
    path.write_text(yaml.safe_dump(config))
    done = watchword("run", path, "--once", "--json")
    assert done.returncode == 0, done.stderr
    assert "janitor" not in done.stderr
    assert "retention cannot be kept" not in done.stderr
    return json_lines(done.stdout)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("local")
    return folder, run_sample("local", folder)


def tiou(a: list[float], b: list[float]) -> float:
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(0.0, shared) / (max(a[1], b[1]) - min(a[0], b[0]))


@pytest.mark.parametrize("truth", TIMELINE, ids=lambda t: t["event"])
def test_each_description_is_found_when_and_only_when_it_happens(
    truth: Mapping[str, Any], local: tuple[Path, list[dict[str, Any]]]
) -> None:
    found = sorted([e["start"], e["end"]] for e in local[1] if e["event"] == truth["event"])
    assert len(found) == len(truth["relevant_windows"]), found
    for window, true in zip(found, truth["relevant_windows"], strict=True):
        assert tiou(window, true) >= 0.5, (window, true)


def test_everything_found_is_in_the_stream_with_its_whole_life(local: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = local
    assert {e["id"] for e in published(folder)} == {e["id"] for e in events}
    types: dict[str, list[str]] = {}
    for revision in sorted(published(folder, all_revisions=True), key=lambda e: e["revision"]):
        types.setdefault(revision["id"], []).append(revision["type"])
    assert all(life[0] == "new" and life[-1] == "end" for life in types.values())


def test_spoken_events_say_which_words_were_heard(local: tuple[Path, list[dict[str, Any]]]) -> None:
    words = {e["event"]: " ".join(w["text"] for w in e["evidence"]["words"]).lower() for e in local[1]}
    assert "parcel" in words["parcel"]
    assert "stairs" in words["fall"]


@pytest.mark.long
def test_a_second_run_publishes_nothing_twice(local: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = local
    before = published(folder, all_revisions=True)
    again = run_sample("local", folder)
    assert sorted(e["id"] for e in again) == sorted(e["id"] for e in events)
    assert len(published(folder, all_revisions=True)) == len(before)


@pytest.mark.ray
@pytest.mark.long
def test_ray_finds_the_same_events(local: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    events = run_sample("ray", tmp_path)

    def facts(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return sorted((e["id"], e["revision"], e["event"], e["start"], e["end"], e["score"]) for e in found)

    assert facts(events) == facts(local[1])
    assert {e["id"] for e in published(tmp_path)} == {e["id"] for e in events}
