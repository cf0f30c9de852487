"""Files through the real pipeline without Redis: sound alone, what cannot be read, what was not there."""

import wave

import numpy as np
import pytest
from PIL import Image
from structlog.testing import capture_logs

from daemon.offline.runner import FileResult, OfflineSettings, tag_files
from tests.support.videos.recording import heard_s
from workers.errors import SourceInvalid
from workers.types import EventSpec

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

RATE = 16_000
MELODY = (262, 330, 392, 523, 392, 330, 294, 370, 440, 587, 440, 370)


def melody() -> np.ndarray:
    """About ten seconds of plucked notes with overtones."""
    t = np.arange(int(0.42 * RATE)) / RATE
    overtones = range(1, 6)
    notes = [sum(np.sin(2 * np.pi * n * h * t) / h**1.5 for h in overtones) * np.exp(-3 * t) for n in MELODY * 2]
    return np.concatenate(notes) * 0.25


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileResult]:
    folder = tmp_path_factory.mktemp("files")
    silence = np.zeros(10 * RATE)
    sound = np.concatenate([silence, melody(), silence]) + np.random.default_rng(0).normal(0, 1e-4, 30 * RATE + 1280)
    with wave.open(str(folder / "music.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    (folder / "text.mp4").write_text("no video")
    events = (
        EventSpec("music", ("music is playing",)),
        EventSpec("cat", ("a cat",)),
        EventSpec("hi", ("a handshake",)),
    )
    files = sorted(folder.iterdir())
    settings = OfflineSettings(pictures=tmp_path_factory.mktemp("pictures"), clips=True)
    with capture_logs() as logs:
        found = {r.path.name: r for r in tag_files(files, lambda _: events, settings, lambda *_: None)}
    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert said == list(found["music.wav"].event_warnings)  # each is said once
    return found


def test_music_is_heard_without_pictures(results: dict[str, FileResult]) -> None:
    (event,) = results["music.wav"].events
    assert event.event == "music"
    # a second is heard by the windows that overlap it, and clips have a second
    assert (event.start, event.end) == (pytest.approx(10, abs=1.5), pytest.approx(20, abs=1.5))
    assert event.modalities["sound"] == 1.0
    with open(str(event.evidence.clip), "rb") as clip:
        assert heard_s(clip.read()) == pytest.approx(20, abs=11)  # with 5 s before and after it; notes die away
    assert results["music.wav"].duration_s == pytest.approx(30.1, abs=0.2)


def test_what_cannot_be_found_is_said_with_the_results(results: dict[str, FileResult]) -> None:
    unknown, *blind = results["music.wav"].event_warnings
    assert unknown.startswith("event 'hi': 'a handshake'")
    assert [text.split(" is ")[0] for text in blind] == ["event 'cat'", "event 'hi'"]
    assert all("there is no video" in text for text in blind)


def test_what_was_heard_is_explained_in_a_picture(results: dict[str, FileResult]) -> None:
    (event,) = results["music.wav"].events
    assert event.evidence.explanation is not None
    with Image.open(event.evidence.explanation) as picture:
        assert picture.width > picture.height  # a chart, and no frames below it
    assert event.evidence.snapshot is None


def test_a_bad_file_has_its_own_error_and_no_events(results: dict[str, FileResult]) -> None:
    assert isinstance(results["text.mp4"].error, SourceInvalid)
    assert results["text.mp4"].events == ()
