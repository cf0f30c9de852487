"""What the observer puts together: the supervisor's cameras, and what services count per camera."""

from daemon.observability.snapshot import SpeechSnapshot
from daemon.runtime.base import ServicesSnapshot
from daemon.service.observer import Observer
from daemon.service.supervisor import Supervisor
from tests.support.clocks import FakeClock
from workers.audio.transcription_queue import TranscriptionSnapshot
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, ModelInfo

MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)


class Speech:
    """A runtime whose speech recognition dropped pieces of two cameras, one of which is gone."""

    def snapshot(self) -> ServicesSnapshot:
        speech = TranscriptionSnapshot(depth=3, dropped={"back": 6, "gone": 1}, failed=2, audio_s=100.0, busy_s=12.0)
        return ServicesSnapshot(encoder=None, detector=None, aligner=None, speech=speech, sink=None)


def test_what_services_count_per_camera_is_in_the_status_of_that_camera() -> None:
    clock = FakeClock()
    runtime, observer = Speech(), Observer(clock)
    supervisor = Supervisor(runtime, clock)  # type: ignore[arg-type]  # no stream is started
    for name in ("front", "back"):
        supervisor.watch(CameraSpec(name, RedactedUrl("rtsp://host/a")), ())
    observer.update(runtime, supervisor, None, MODEL, {})  # type: ignore[arg-type]  # as above
    seen = observer.snapshot()
    assert [(c.name, c.speech_dropped, c.overloaded) for c in seen.cameras] == [("front", 0, False), ("back", 6, True)]
    assert seen.speech == SpeechSnapshot(queue_depth=3, failed=2, realtime_factor=0.12)
    assert "gone" not in repr(seen)
