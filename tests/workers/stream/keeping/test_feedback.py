"""What a stream keeps of its events for people who judge them, and heads that change while it runs."""

from pathlib import Path

import pytest

from alignment.personal.files import pack_head, unpack_samples
from alignment.personal.fitting import Judged, fit
from alignment.personal.samples import logit_of
from tests.support.streams.pipelines import ColourEncoder, write_colours
from tests.workers.stream.test_rule_changes import Run, spans
from workers.decisions.feedback import feedback_key
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.state_layout import StateLayout
from workers.types import EventSpec

RED = EventSpec("red", ("red",))
SCENES = [("grey", 4.0), ("red", 8.0), ("grey", 6.0), ("red", 8.0), ("grey", 6.0), ("red", 8.0), ("grey", 4.0)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("media") / "colours.mp4", SCENES)


@pytest.fixture
def layout(tmp_path: Path) -> StateLayout:
    return StateLayout(tmp_path)


def run_with(path: Path, layout: StateLayout) -> Run:
    state = StateService.of(ServiceSettings(state_dir=layout.root))
    return Run(path, [RED], state=state, state_dir=layout.root)


def test_an_event_can_be_judged_and_its_look_alikes_end_without_a_restart(path: Path, layout: StateLayout) -> None:
    run = run_with(path, layout)
    run.play(17)
    (kept,) = layout.feedback_samples.glob("cam/*.safetensors")
    assert kept.stem == run.sink.events[0].id
    samples, about = unpack_samples(kept.read_bytes())
    encoder = ColourEncoder().describe()
    models = f"{encoder.info.id} similarity"
    assert (about["event"], about["key"]) == ("red", feedback_key(RED, models))
    assert samples.frames.shape == (6, encoder.dims[0])
    assert (samples.logits > logit_of(RED.threshold or 0.6)).all()

    threshold = about["threshold"]
    assert isinstance(threshold, float)
    head = fit([Judged(samples, False, logit_of(threshold))] * 4)
    layout.heads.mkdir(parents=True)
    (layout.heads / "red.safetensors").write_bytes(pack_head(head, {"key": about["key"]}))
    run.change(RED, config_hash="new")
    run.play(30)
    (layout.heads / "red.safetensors").unlink()
    run.change(RED, config_hash="newer")
    events = run.end()
    assert spans(events, "red") == [
        (pytest.approx(4, abs=1), pytest.approx(12, abs=1)),
        (pytest.approx(32, abs=1), pytest.approx(40, abs=1)),
    ]


def test_a_damaged_head_and_one_of_another_description_are_as_none(path: Path, layout: StateLayout) -> None:
    run = run_with(path, layout)
    run.play(17)
    samples, _ = unpack_samples(next(layout.feedback_samples.glob("cam/*.safetensors")).read_bytes())
    other = pack_head(fit([Judged(samples, False, 0.4)] * 4), {"key": "of another description"})
    layout.heads.mkdir(parents=True)
    for number, content in enumerate((other, b"damaged")):
        (layout.heads / "red.safetensors").write_bytes(content)
        run.change(RED, config_hash=f"new {number}")
    assert len(spans(run.end(), "red")) == 3
