"""Texts of uploads: chapter by chapter with real pictures of the file, through restarts, until they are forgotten."""

import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from daemon.captions.documents import file_document
from daemon.captions.types import Described, upload_owner
from daemon.offline.exports import Tagged, render
from daemon.privacy.stores.uploads import sidecar
from daemon.vlm.errors import VlmRefused, VlmUnreachable
from tests.daemon.captions.conftest import House, writes
from tests.support.recorded.recordings import write_shard
from tests.support.recorded.summary import stored_upload
from tests.support.serving.vlm_server import declines, half_a_json, lost, says
from workers.index.reader import IndexReader
from workers.items import Transcript
from workers.types import Utterance

pytestmark = pytest.mark.realtime
SIDES = {"frames": 2}  # of a question: so many chapters


@pytest.fixture
def film(house: House) -> Path:
    """A film of three scenes: grey, red and grey; the second has an event."""
    house.work(house.open())
    house.clock.wall = time.time  # type: ignore[method-assign]  # an upload's events are those of when it was watched
    return stored_upload(house.layout, house.folder / "done", house.log)


@pytest.fixture
def moved(film: Path) -> Path:
    """The same, whose file somebody has taken away: no picture of it can be sent."""
    film.unlink()
    return film


def texts(house: House) -> list[Described]:
    (record,) = house.uploads.all()
    return house.captions.of(upload_owner(record.since))


def colour(jpeg: bytes) -> tuple[int, ...]:
    with Image.open(BytesIO(jpeg)) as picture:
        return tuple(int(v) for v in np.asarray(picture.convert("RGB")).reshape(-1, 3).mean(axis=0))


def test_an_upload_gets_titles_of_its_chapters_and_a_text_of_the_whole(house: House, film: Path) -> None:
    sidecar(film, "json").write_text(render(Tagged("film.mp4", 36.0, ()), "json"), encoding="utf-8")
    house.work(house.open(**SIDES))
    whole, *chapters = texts(house)
    assert (whole.title, whole.text, whole.tags) == ("A film", "3 chapters.", ("colours", "test"))
    assert [(one.title, round(one.start), round(one.end)) for one in chapters] == [
        ("Part 1", 0, 12),
        ("Part 2", 12, 24),
        ("Part 3", 24, 35),
    ]
    two, last, about = house.model.asked
    assert [chapter["number"] for chapter in two.data["chapters"]] == [1, 2]
    (grey, red), others = map(colour, two.jpegs), last.jpegs
    assert red[0] > red[1] + 100
    assert abs(grey[0] - grey[1]) < 10
    assert len(others) == 2  # the one chapter that is left has both pictures
    assert about.jpegs == []
    assert about.data["events"] == ["14 to 18 s: a red picture"]
    assert json.loads(sidecar(film, "json").read_text(encoding="utf-8"))["description"] == file_document(texts(house))
    assert not house.open(**SIDES).step()  # nothing is written twice
    ((found, _),) = house.captions.find(["second", "part", "scene", "2"], {"uploads"}, limit=1)
    assert (found.number, found.file) == (2, "a/é.mp4")


def test_a_restart_goes_on_behind_the_last_chapter_that_is_kept(house: House, moved: Path) -> None:
    house.model.script = [says(writes), lost, lost, lost]
    service = house.open(**SIDES)
    assert service.step()
    with pytest.raises(VlmUnreachable):
        service.step()
    assert [one.number for one in texts(house)] == [1, 2]
    before = len(house.model.asked)
    house.work(house.open(**SIDES))
    again = [[c["number"] for c in a.data["chapters"]] for a in house.model.asked[before:] if "events" not in a.data]
    assert again == [[3]]
    assert [one.number for one in texts(house)] == [0, 1, 2, 3]


def test_a_transcript_is_translated_on_the_way(house: House, moved: Path) -> None:
    index = IndexReader(house.layout.index)
    (shard,) = index.shards(["uploads"])
    tape, row = shard.info.tape, np.ones((1, shard.info.tape.dims[1]), np.float32)
    spoken = [Utterance(13.0 + n / 10, 13.1 + n / 10, f"line {n}", 0.9, "en") for n in range(25)]
    write_shard(house.layout.index, tape, [Transcript(0, one.start_s, (one,), row) for one in spoken], 1)
    house.work(house.open(language="de", translate=True, **SIDES))
    found = file_document(texts(house))
    assert found is not None
    assert found["language"] == "de"
    assert [line["text"] for line in found["transcript"]] == [f"<line {n}>" for n in range(25)]
    assert found["transcript"][3]["start"] == pytest.approx(13.3)
    sizes = [len(asked.data["lines"]) for asked in house.model.asked if "lines" in asked.data]
    assert sizes == [20, 5]
    assert house.captions.find(["line", "24"])


def test_chapters_that_the_model_leaves_out_keep_their_titles(house: House, moved: Path) -> None:
    def forgetful(asked: Any) -> Any:
        answer = writes(asked)
        return {"chapters": answer["chapters"][:1]} if "chapters" in answer else answer

    house.model.usual = says(forgetful)
    house.work(house.open(**SIDES))
    assert [(one.number, one.text) for one in texts(house)] == [
        (0, "3 chapters."),
        (1, "Scene 1 is shown."),
        (2, ""),
        (3, "Scene 3 is shown."),
    ]
    assert texts(house)[2].title == "a red picture"  # what happens in it


def test_nonsense_about_some_chapters_costs_no_other_text(house: House, moved: Path) -> None:
    house.model.script = [half_a_json]
    house.work(house.open(**SIDES))
    assert [(one.title, one.text) for one in texts(house)[1:]] == [
        ("", ""),
        ("a red picture", ""),
        ("Part 3", "Scene 3 is shown."),
    ]


def test_an_upload_that_the_model_will_not_describe_is_left_alone(house: House, moved: Path) -> None:
    house.model.usual = declines
    service = house.open()
    with pytest.raises(VlmRefused):
        service.step()
    house.clock.now += 600
    assert not service.step()
    assert not house.open().step()
    assert len(house.model.asked) == 1
    assert file_document(texts(house)) is None


def test_what_is_forgotten_while_it_is_described_is_not_kept(house: House, moved: Path) -> None:
    def forgotten(asked: Any) -> Any:
        house.uploads.drop([str(moved)])
        return writes(asked)

    house.model.usual = says(forgotten)
    house.work(house.open(**SIDES))
    assert house.captions.owners() == []
