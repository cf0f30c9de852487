"""Search of an index on disk with the profile ``colour``: what was planted is found, filtered and ordered."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from daemon.captions.store import CaptionStore
from daemon.captions.types import Described, Written, upload_owner
from daemon.checking.descriptions import DescriptionJudge
from daemon.config.loader import config_from
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.engine import SearchEngine, SearchModels
from daemon.search.evidence import EvidenceFinder
from daemon.search.notes import notes
from daemon.search.request import SearchError, SearchRequest
from daemon.search.results import Found
from tests.support.recorded.recordings import LIVE, NOW, day, frame, said, seen, write_shard
from workers.errors import SourceInvalid
from workers.events.folder import EvidenceFolder
from workers.index.reader import IndexReader
from workers.index.types import StoredFile
from workers.publish.log.view import LogView
from workers.services.encoder import EncoderService
from workers.services.proxies import EncoderProxy, LocalTransport


class Search:
    """A search of the index in a folder."""

    def __init__(self, folder: Path, encoder: EncoderService) -> None:
        self.index = folder / "index"
        config = config_from({"models": {"profile": "colour"}, "events": {"red": {"describe": "red"}}}, folder)
        self.models = SearchModels(EncoderProxy(LocalTransport(encoder)), None, DescriptionJudge(config))
        log = LogView(folder / "events")
        self.captions = CaptionStore(folder / "captions")
        self.engine = SearchEngine(IndexReader(self.index), log, self.captions)
        self.evidence = EvidenceFinder(log, EvidenceFolder(folder / "evidence"), UploadRecords(folder / "uploads"))

    def __call__(self, visible: frozenset[str] | None = None, **request: Any) -> Found:
        return self.engine.search(SearchRequest(**request), self.models, self.evidence, visible)


@pytest.fixture
def search(tmp_path: Path, encoder: EncoderService) -> Search:
    return Search(tmp_path, encoder)


def spans(found: Found, least: float = 0.5) -> list[tuple[str, float, float]]:
    return [(m.camera, m.start - NOW, m.end - NOW) for m in found.moments if m.score >= least]


def test_a_description_finds_all_that_show_it_the_best_first(search: Search) -> None:
    day(search.index)
    found = search(text="a red picture")
    assert sorted(spans(found)) == [("door", 39.5, 47.5), ("door", 3645.5, 3649.5), ("yard", 17.5, 23.5)]
    likely = [m.score > 0.5 for m in found.moments]
    assert likely == sorted(likely, reverse=True)
    assert found.probable
    assert found.read_as == ("a red picture",)
    (first,) = [m for m in found.moments if m.start == NOW + 39.5]
    assert first.start_unix == first.start
    assert first.start < first.peak < first.end
    assert first.said == "The parcel is at the neighbours."
    assert found.hours == pytest.approx((90 + 72 + 60) / 3600, abs=0.01)


def test_filters_by_camera_time_class_and_words(search: Search) -> None:
    day(search.index)
    only = spans(search(text="red", cameras=frozenset({"yard", "attic"})))
    assert only == [("yard", 17.5, 23.5)]
    assert spans(search(text="red", since=NOW + 100)) == [("door", 3645.5, 3649.5)]
    assert ("door", 3645.5, 3649.5) not in spans(search(text="red", until=NOW + 100))
    assert spans(search(text="red", classes=("person",))) == [("yard", 17.5, 23.5)]
    assert spans(search(text="red", classes=("car",))) == []
    assert spans(search(text="red", words="Parcel neighbours")) == [("door", 39.5, 47.5)]
    assert spans(search(text="red", words="parcel bus")) == []
    assert spans(search(text="red"), 0.5) != spans(search(text="red", visible=frozenset({"door"})))
    assert {m.camera for m in search(text="red", visible=frozenset({"door"})).moments} == {"door"}


def test_what_is_said_is_found_by_its_meaning_and_by_its_words(search: Search) -> None:
    day(search.index)
    other = replace(LIVE, camera="hall", key="session-3")
    write_shard(
        search.index, other, [said(NOW + 5, NOW + 7, "Nothing much."), said(NOW + 9, NOW + 11, "Yes, yesterday.")]
    )
    best = search(text="parcel neighbours", spoken=True).moments[0]
    assert (best.camera, best.start - NOW, best.end - NOW, best.by) == ("door", 42, 45, "said")
    assert best.score > 0.5
    assert search(words="yesterday").moments[0].camera == "hall"
    assert len(search(words="yesterday").moments) == 1
    assert search(text="someone says parcel").read_as == ("parcel",)


def test_words_of_captions_are_found_among_the_other_moments(search: Search) -> None:
    day(search.index)
    written = Written("en", "tiny-vlm", "caption-1")
    when = (NOW + 40.0, NOW + 46.0)
    search.captions.add(Described("e1", 0, "door", LIVE.key, None, *when, *when, "A red ladder leans there.", written))
    film = (upload_owner(NOW), 1, "uploads", "film", "film.mp4", 3.0, 9.0, NOW, NOW + 9, "He climbs a red ladder.")
    search.captions.add(Described(*film, written, title="On the roof"))
    second, first, *others = search(text="a red ladder").moments
    assert (first.by, first.file, first.start, first.start_unix) == ("described", "film.mp4", 3.0, None)
    assert (first.score, first.caption) == (1.0, "On the roof: He climbs a red ladder.")
    assert (second.by, second.event, second.start_unix) == ("described", "e1", NOW + 40.0)
    assert others
    assert not [m for m in others if m.camera == "door" and m.start == NOW + 39.5]
    assert {m.by for m in search(text="red", spoken=True).moments} <= {"said"}
    assert not [m for m in search(text="red", classes=("person",)).moments if m.by == "described"]
    assert "described" not in {m.by for m in search(text="red ladder", visible=frozenset({"yard"})).moments}
    assert "described" not in {m.by for m in search(text="red ladder", since=NOW + 50).moments}


def test_an_image_finds_what_resembles_it(search: Search) -> None:
    day(search.index)
    file = BytesIO()
    Image.fromarray(frame("blue")).save(file, format="PNG")
    found = search(image=file.getvalue())
    assert not found.probable
    assert (found.moments[0].camera, found.moments[0].start - NOW) == ("door", 3629.5)
    with pytest.raises(SourceInvalid, match="the image is not an image"):
        search(image=b"words")


def test_a_moment_goes_on_in_the_next_shard_of_its_stream(search: Search) -> None:
    write_shard(search.index, LIVE, [seen(NOW, ["grey"] * 50 + ["red"] * 5)])
    write_shard(search.index, LIVE, [seen(NOW + 55, ["red"] * 5 + ["grey"] * 50)], 1)
    assert spans(search(text="red")) == [("door", 49.5, 59.5)]


def test_a_moment_longer_than_a_window_is_one(search: Search) -> None:
    write_shard(search.index, LIVE, [seen(NOW, ["grey"] * 300 + ["red"] * 200 + ["grey"] * 400)])
    assert spans(search(text="red")) == [("door", 299.5, 499.5)]


def test_streams_are_not_joined_and_files_begin_at_zero(search: Search) -> None:
    for number, name in enumerate(("a.mp4", "b.mp4")):
        tape = replace(
            LIVE,
            camera="uploads",
            key=f"file-{number}",
            live=False,
            recorded=NOW + 100 * number,
            file=StoredFile(name, name),
        )
        write_shard(search.index, tape, [seen(0.5, ["red"] * 6 + ["green"] * 10)])
    found = [(m.file, m.start, m.end, m.start_unix) for m in search(text="red").moments if m.score > 0.5]
    assert sorted(found, key=str) == [("a.mp4", 0.0, 6.0, None), ("b.mp4", 0.0, 6.0, None)]
    assert {m.file for m in search(text="red", since=NOW + 50).moments} == {"b.mp4"}


def test_what_another_model_recorded_is_said_to_be_unsearchable(search: Search) -> None:
    day(search.index)
    old = replace(LIVE, camera="hall", key="session-3", encoder="lite/other@1", dims=(24, 16))
    write_shard(search.index, old, [replace(seen(NOW, ["red"] * 30), features=np.ones((30, 24), np.float32))])
    found = search(text="red")
    assert {m.camera for m in found.moments} == {"door", "yard"}
    (part,) = found.unsearchable
    assert (part.camera, part.encoder, part.since) == ("hall", "lite/other@1", NOW)
    assert any("hall" in note and "lite/other@1" in note and "cannot be searched" in note for note in notes(found))
    assert search(text="red", cameras=frozenset({"door"})).unsearchable == ()


def test_nothing_recorded_is_said(search: Search) -> None:
    assert [*notes(search(text="red"))][-1].startswith("nothing that could be searched was recorded")
    day(search.index)
    assert [*notes(search(text="red", words="elephant"))][-1] == "nothing was found"
    warned = search(text="a bicycle")
    assert any("understands colours" in text for text in warned.warnings)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, "nothing is searched for"),
        ({"text": "red", "like": "1"}, "one of"),
        ({"text": "r" * 301}, "more than 300"),
        ({"text": "red", "classes": ("unicorn",)}, "'unicorn' is no class"),
        ({"text": "red", "since": 2.0, "until": 1.0}, "not after"),
        ({"text": "red", "limit": 101}, "1 to 100"),
        ({"like": "absent"}, "there is no event absent"),
        ({"spoken": True, "classes": ("person",)}, "nothing is said"),
    ],
)
def test_what_cannot_be_searched_for_is_told(search: Search, request_: dict[str, Any], problem: str) -> None:
    with pytest.raises(SearchError, match=problem):
        search(**request_)
