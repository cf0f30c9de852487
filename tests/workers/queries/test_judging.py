"""What people are told of their descriptions before anything is watched."""

import pytest

from alignment.types import Modality
from workers.queries.judging import Judgement, judge, query_warnings
from workers.queries.names import Names, Nearest
from workers.types import EventSpec


def judged(text: str, profile: str = "lite") -> tuple[str, str | None]:
    (judgement,) = judge(EventSpec("e", (text,)), profile)
    return judgement.read_as, judgement.problem


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("a woman at the door", "a person"),
        ("zwei Autos", "two cars"),
        ("nobody in the yard", "no person"),
        ("an empty road", "no person and no vehicle"),
        ("more than three people", "four people"),
        ("a dog and a cat", "a dog and a cat"),
        ("两个人", "two people"),
        ("an animal", "an animal"),
        ("a yellow car", "a yellow car"),
    ],
)
def test_how_a_description_is_read(text: str, read_as: str) -> None:
    assert judged(text) == (read_as, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a person falls", "'falls' cannot be judged"),
        ("a man in a dark hoodie", "'dark hoodie' cannot be judged"),
        ("a girl", "'girl' cannot be judged"),
        ("a black car", "the colour is not judged"),
        ("an empty room", "never reported"),
        ("no umbrella", "a negation"),
        ("nobody wears a helmet", "is never reported; try 'no person'"),
        ("three umbrellas", "not counted"),
        ("ギターを弾く人", "in English"),
    ],
)
def test_what_will_not_work_is_said_with_what_would(text: str, says: str) -> None:
    _, problem = judged(text)
    assert problem is not None
    assert says in problem


@pytest.mark.parametrize("text", ["a backpack", "a truck", "ein Rucksack"])
def test_what_is_found_only_near_the_camera_is_noted_and_no_problem(text: str) -> None:
    (judgement,) = judge(EventSpec("e", (text,)), "lite")
    assert judgement.problem is None
    assert "only where it is large" in str(judgement.note)
    assert "only where it is large" in str(
        query_warnings(EventSpec("e", (text,)), "lite")
    )  # the log of a camera says it


@pytest.mark.parametrize("text", ["a person falls", "an empty room", "three umbrellas"])
def test_a_profile_without_a_detector_warns_of_none_of_this(text: str) -> None:
    assert judged(text, "open_clip")[1] is None


def names(likeness: float, *nearest: str, named: bool = False, kinds: tuple[str, ...] = ()) -> Nearest:
    return lambda text: Names(likeness, nearest, kinds, named)


def judged_by(nearest: Nearest, text: str) -> Judgement:
    return judge(EventSpec("e", (text,)), "lite", nearest=nearest)[0]


def test_what_the_encoder_does_not_know_is_said_with_its_nearest_names() -> None:
    found = judged_by(names(0.5, "wok", "stove", "torch"), "an open safe")
    assert found.read_as == "unknown here, nearest wok, stove, torch"
    assert "is not known" in str(found.problem)
    assert "(wok, stove, torch)" in str(found.problem)
    assert "open_clip" in str(found.problem)


def test_a_name_that_merely_contains_the_description_is_not_what_it_means() -> None:
    assert judged_by(names(0.65, "fire engine"), "fire").problem is not None
    assert judged_by(names(0.65, "fire engine", named=True), "an engine").problem is None
    assert judged_by(names(0.8, "sorrel"), "a horse") == Judgement("a horse", "like sorrel")


def test_the_sound_of_what_is_not_known_is_a_remedy() -> None:
    assert "listen for it (`modalities: [sound]`: fire crackling)" in str(
        judged_by(names(0.5, "stove"), "fire").problem
    )


def test_actions_are_said_with_the_nearest_names_too() -> None:
    found = judged_by(names(0.59, "parachute", "cliff"), "a person falls")
    assert found.read_as == "a person, and the frame looks like parachute, cliff"
    assert "'falls' cannot be judged (nearest names: parachute, cliff)" in str(found.problem)
    assert "'running' cannot be judged" in str(judged_by(names(0.45, "whippet"), "a dog running").problem)
    assert judged_by(names(0.9, "tabby", named=True), "a tabby cat").problem is None


def test_a_known_thing_that_somebody_has_is_judged_by_the_look() -> None:
    cap = names(0.58, "shower cap", named=True)
    assert judged_by(cap, "a man in a shower cap").problem is None
    more = ("a man in a red shower cap", "a man in a shower cap with a backpack", "a man in a shower cap falls asleep")
    for text in (*more, "a man takes his shower cap"):
        assert judged_by(cap, text).remark is not None
    for unknown in (names(0.58, "parachute"), names(0.5, "shower cap", named=True)):
        assert "cannot be judged" in str(judged_by(unknown, "a man in a shower cap").problem)


def test_a_ball_is_small() -> None:
    assert "it is small" in str(judged_by(names(0.9, "basketball", named=True, kinds=("a ball",)), "a basketball").note)


def test_a_kind_of_vehicle_that_has_a_name_is_known_by_its_look() -> None:
    assert judged_by(names(0.94, "tow truck", named=True), "a tow truck").problem is None
    assert "only where it is large" in str(judged_by(names(0.94, "pickup", named=True), "a pickup truck").note)


def test_a_drawing_is_not_what_it_shows() -> None:
    assert "cartoon one is seldom recognised" in str(
        judged_by(names(0.8, "hare", named=True), "a cartoon hare").problem
    )
    assert judged_by(names(0.8, "toy terrier", named=True), "a toy terrier").problem is None


def test_names_are_asked_for_only_where_no_detector_is_sure() -> None:
    def fails(text: str) -> Names:
        raise AssertionError(text)

    for text in ("a dog", "two people", "a red car", "someone says hello", "a dog is barking", "an empty room"):
        judged_by(fails, text)


@pytest.mark.parametrize(
    ("text", "modalities", "says"),
    [
        ("a dog is barking", ("vision",), "describes a sound (dog barking), but `modalities`"),
        ("someone talks about prices", ("vision",), "describes what is said, but `modalities`"),
        ("a man in a red shirt shouting", None, "is taken for a sound (shouting), and 'red' is not looked for"),
        ("a dog", ("vision", "sound"), None),
        ("a dog is barking", None, None),
    ],
)
def test_what_is_heard_and_what_is_seen_are_told_apart(
    text: str, modalities: tuple[Modality, ...] | None, says: str | None
) -> None:
    (found,) = judge(EventSpec("e", (text,), modalities=modalities), "lite")
    assert (says or "None") in str(found.problem)


@pytest.mark.parametrize("text", ["someone complains that nothing works", "a man says that nobody has called"])
def test_speech_about_nothing_has_no_subject_to_compare(text: str) -> None:
    assert "is none; say what it is about" in str(judged(text)[1])


@pytest.mark.parametrize("text", ["someone says ask not what your country can do for you", "someone says no to a deal"])
def test_speech_with_a_subject_is_compared(text: str) -> None:
    assert judged(text)[1] is None
