"""``watchword.tag``: events of files, with evidence only where it is asked for."""

from pathlib import Path

import av
import pytest

import watchword
from tests.support.streams.pipelines import RED_TWICE, write_colours

pytestmark = pytest.mark.process  # loads torch, once


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("tag") / "colours.mp4", RED_TWICE)


def test_events_come_typed_and_in_order(video: Path) -> None:
    seen: list[tuple[float, float | None]] = []
    events = watchword.tag(video, ["something red"], profile="colour", on_progress=lambda *at: seen.append(at))
    assert all(isinstance(event, watchword.Event) for event in events)
    assert [(e.event, e.start, e.end) for e in events] == [("something_red", 3.5, 9.5), ("something_red", 15.5, 21.5)]
    assert [(e.snapshot, e.clip, e.read_as) for e in events] == [(None, None, ("something red",))] * 2
    assert seen[-1] == (23.0, 24.0)


def test_events_may_be_named_and_have_settings(video: Path) -> None:
    wanted = {"stop": {"describe": ["red", "something red"], "min_duration": "7s"}, "go": "green", "wait": ["yellow"]}
    assert watchword.tag(video, wanted, profile="colour") == []


def test_snapshots_and_clips_lie_in_the_folder_of_evidence(video: Path, tmp_path: Path) -> None:
    first, _ = watchword.tag(str(video), "red", profile="colour", evidence=tmp_path / "new" / "evidence")
    assert first.snapshot is not None
    assert first.snapshot.is_relative_to(tmp_path / "new" / "evidence")
    assert first.snapshot.read_bytes().startswith(b"\xff\xd8")
    assert first.clip is not None
    with av.open(str(first.clip)) as clip:
        assert clip.duration is not None
        assert clip.duration / av.time_base == pytest.approx(14.5, abs=1.5)  # the event, and 5 s before and after


def test_a_configuration_gives_models_and_events(video: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    verifier = '{url: "http://127.0.0.1:1/v1", model: m}'  # of the daemon
    models = f"models: {{profile: colour, verifier: {verifier}}}"
    config.write_text(f"{models}\nevents: {{alarm: {{describe: red, merge_gap: 10s, verify: hold}}}}\n")
    (event,) = watchword.tag(video, config=config)
    assert (event.event, event.start, event.end) == ("alarm", 3.5, 21.5)
    assert event.verification is None


def test_what_cannot_be_read_raises_the_usual_errors(video: Path, tmp_path: Path) -> None:
    with pytest.raises(watchword.errors.SourceNotFound, match="no such file"):
        watchword.tag(tmp_path / "missing.mp4", ["red"])
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(watchword.errors.SourceInvalid):
        watchword.tag(tmp_path / "text.mp4", ["red"])
    with pytest.raises(watchword.errors.SourceInvalid, match="is a folder"):
        watchword.tag(tmp_path, ["red"])


def test_wrong_descriptions_are_refused_before_models_are_loaded(video: Path) -> None:
    with pytest.raises(watchword.errors.ConfigError, match=r'describ: unknown key — did you mean "describe"\?'):
        watchword.tag(video, {"a": {"describ": "red"}})
    with pytest.raises(TypeError, match="described by a text, not by 3"):
        watchword.tag(video, [3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="say what to look for"):
        watchword.tag(video)
