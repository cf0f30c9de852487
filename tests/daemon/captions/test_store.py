"""Captions on disk: found by their words in any language, and erased without a trace."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.captions.store import NAME, CaptionStore, CaptionStoreError
from daemon.captions.types import Described, Line, Written, upload_owner
from daemon.privacy.stores.captions import CaptionData
from daemon.privacy.stores.store import Limits, Places, nothing_halted
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from workers.events.erasures import Scope
from workers.state_layout import StateLayout

WRITTEN = Written("en", "tiny-vlm", "caption-1")
FENCE = Described("e1", 0, "yard", "k", None, 100.0, 104.0, 100.0, 104.0, "A man climbs over the fence.", WRITTEN)


@pytest.fixture
def store(tmp_path: Path) -> CaptionStore:
    return CaptionStore(StateLayout(tmp_path).captions)


def found(store: CaptionStore, *words: str, **where: object) -> list[tuple[str, float]]:
    return [(one.owner, round(share, 2)) for one, share in store.find(words, **where)]  # type: ignore[arg-type]


def test_words_are_found_in_other_forms_and_most_of_them_are_enough(store: CaptionStore, tmp_path: Path) -> None:
    assert found(store, "fence") == []  # there is no file yet
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / NAME).touch()
    assert found(store, "fence") == []  # it is just being made
    store.add(FENCE)
    store.add(replace(FENCE, owner="e2", text="A dog sleeps.", since=200.0, until=204.0))
    assert found(store, "climbing", "fences") == [("e1", 1.0)]
    assert found(store, "man", "fence", "ladder") == [("e1", 0.67)]
    assert found(store, "man", "ladder") == []


def test_scripts_without_spaces_are_found_by_parts_of_a_sentence(store: CaptionStore) -> None:
    store.add(replace(FENCE, owner="e3", text="一辆红色汽车停在门口。"))
    assert found(store, "红色汽车") == [("e3", 1.0)]
    assert found(store, "汽车红色") == []  # these letters, in another order


def test_what_users_write_is_no_expression_of_the_database(store: CaptionStore) -> None:
    store.add(replace(FENCE, tags=('say "cheese"',)))
    assert found(store, 'fence" OR "zebra') == []
    assert found(store, 'say "cheese"') == [("e1", 1.0)]


def test_a_search_is_of_some_cameras_and_of_some_time(store: CaptionStore) -> None:
    store.add(FENCE)
    assert found(store, "fence", cameras={"door"}) == [] == found(store, "fence", cameras=set())
    assert found(store, "fence", cameras={"yard", "door"}, since=104.0) == [("e1", 1.0)]
    assert found(store, "fence", since=105.0) == [] == found(store, "fence", until=99.0)


def test_a_text_is_kept_once_and_comes_back_as_it_was(store: CaptionStore) -> None:
    chapter = replace(FENCE, owner=upload_owner(7.5), number=1, tags=("blue",), said=(Line(1.0, 2.0, "好"),))
    store.add(chapter)
    store.add(replace(chapter, text="another"))
    assert store.of(upload_owner(7.5)) == [chapter]
    assert store.complete() == set()
    store.add(replace(chapter, number=0))
    assert store.complete() == {upload_owner(7.5)}
    assert chapter.event_id is None
    assert FENCE.event_id == "e1"


def test_nothing_is_left_of_what_was_erased(store: CaptionStore, tmp_path: Path) -> None:
    for number in range(40):
        store.add(replace(FENCE, owner=f"e{number}", text=f"xylophone{number} plays"))
    store.erase([f"e{number}" for number in range(39)])
    assert found(store, "plays") == [("e39", 1.0)]
    held = b"".join(path.read_bytes() for path in StateLayout(tmp_path).captions.iterdir())
    assert b"xylophone39" in held
    assert not [n for n in range(39) if f"xylophone{n} ".encode() in held]
    assert held.count(b"xylophone") == 3  # body, words, and their index


def test_a_file_of_a_newer_version_is_left_alone(store: CaptionStore, tmp_path: Path) -> None:
    store.add(FENCE)
    with sqlite3.connect(StateLayout(tmp_path).captions / NAME) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(CaptionStoreError, match="another version"):
        store.add(FENCE)


def test_captions_go_with_their_events_and_uploads(tmp_path: Path) -> None:
    layout = StateLayout(tmp_path)
    store, records = CaptionStore(layout.captions), UploadRecords(layout.uploads)
    film = replace(FENCE, owner=upload_owner(300.0), camera="uploads", file="film.mp4", since=300.0, until=310.0)
    for one in (FENCE, film, replace(film, owner=upload_owner(400.0), since=400.0, until=410.0)):
        store.add(one)
    for since in (300.0, 400.0):
        records.note(WatchedUpload(str(tmp_path / f"{since}.mp4"), since, since + 10))
    data = CaptionData(Places(layout, None, False, lambda ids, before: 0, nothing_halted))
    assert data.event_ids(Scope("yard", 104.5, 110.0)) == {"e1"}  # its pictures may show that second
    assert data.event_ids(Scope("uploads", 0.0, 1000.0)) == set()
    assert data.items(Scope("uploads", 305.0, 306.0), frozenset({"e1"})) == ["e1", film.owner]
    assert data.expire(Limits(since=104.0)) == 0
    records.drop([str(tmp_path / "300.0.mp4")])
    assert data.expire(Limits(since=105.0)) == 2
    assert [owner.id for owner in store.owners()] == [upload_owner(400.0)]
