"""Detected objects as a sign of an event, beside the features of frames."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from alignment.aligners.objects import ObjectSigns
from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import LITE_CALIBRATION
from alignment.types import F32, Counted, EventQuery, FeatureWindow, ObjectQuery

PERSON, CAR, DOG = 0, 1, 2
M = 6
BOX = (0.1, 0.2, 0.5, 0.9)
NONE = np.zeros((0, 4), np.float32)
Seen = Sequence[tuple[int, float]]  # class and logit of each object


def window(frames: Sequence[Seen | None], red: float = 0.0) -> FeatureWindow:
    """Return a window with these objects in its frames, so much of them red; None: a clip without a frame."""
    detections = np.full((len(frames), M, 8), -np.inf, np.float32)
    for t, seen in enumerate(frames):
        for m, (number, logit) in enumerate(seen or ()):
            detections[t, m] = (number, logit, *BOX, red, 0.0)
    bounds = np.arange(len(frames))[:, None] + np.array([[-0.5, 0.5]])
    mask = np.array([seen is not None for seen in frames])
    empty = np.zeros((len(frames), 4), np.float32)
    return FeatureWindow(bounds, empty, mask, NONE, np.zeros((0, 2)), empty[:, :3], ~mask & False, detections)


def query(*objects: ObjectQuery | None) -> EventQuery:
    return EventQuery("e", NONE, NONE, NONE, NONE, np.zeros(3, np.float32), np.ones(3, np.float32), objects=objects)


def probability(objects: ObjectQuery, frames: Sequence[Seen | None], by_features: Sequence[float] | float = 0.0) -> F32:
    p = np.broadcast_to(np.array(by_features, np.float32).reshape(-1, 1), (len(frames), 1))
    return ObjectSigns([query(objects)]).join(p, window(frames), 0)[:, 0]


def probability_of_dog(frame: Sequence[float], asked: ObjectQuery, logit: float = 2.0) -> float:
    """Return the probability of an event in frames with this look, in which a detector sees a dog."""
    shown = window([[(DOG, logit)]] * 3)
    shown.frames[:] = frame
    event = replace(query(asked), animals=np.eye(3, 4, dtype=np.float32))  # dogs, bears, cats
    return float(ObjectSigns([query(A_PERSON), event]).join(np.zeros((3, 2), np.float32), shown, 0)[1, 1])


A_DOG = ObjectQuery((Counted((DOG,), kinds=(0,)),))


@pytest.mark.parametrize(
    ("frame", "seen"),
    [
        ((0.9, 0.1, 0.1, 0.4), True),
        ((0.0, 0.0, 0.0, 1.0), True),  # no animal at all: the dog may be small
        ((0.5, 0.6, 0.0, 0.6), True),  # within what is free
        ((0.4, 0.8, 0.0, 0.4), False),  # a bear
        ((0.4, 0.0, 0.8, 0.4), False),
        ((np.nan,) * 4, True),
    ],
)
def test_a_detected_dog_that_looks_like_another_animal_is_none(frame: Sequence[float], seen: bool) -> None:
    assert (probability_of_dog(frame, A_DOG) >= 0.6) == seen
    assert (probability_of_dog(frame, replace(A_DOG, absent=True)) < 0.6) == seen


def test_a_sure_dog_stays_beside_another_animal() -> None:
    assert probability_of_dog((0.4, 0.8, 0.0, 0.4), A_DOG, logit=5.0) > 0.6


def test_where_dogs_and_cats_are_asked_for_neither_counts_against_the_other() -> None:
    either = ObjectQuery((Counted((DOG,), kinds=(0, 2)),))
    assert probability_of_dog((0.0, 0.0, 0.8, 0.4), either) > 0.6
    assert probability_of_dog((0.0, 0.8, 0.0, 0.4), either) < 0.42


A_PERSON = ObjectQuery((Counted((PERSON,)),))


def test_an_object_is_seen_where_its_detector_sees_it_and_not_elsewhere() -> None:
    there, nothing = [(PERSON, 1.0)], [(CAR, 3.0)]
    p = probability(A_PERSON, [nothing] * 3 + [there] * 3 + [nothing] * 3)
    assert (p[3:6] > 0.6).all()
    assert (p[[0, 1, 7, 8]] < 0.42).all()


def test_a_score_at_the_threshold_opens_an_event_and_a_lower_one_closes_it() -> None:
    at, below = (probability(A_PERSON, [[(PERSON, logit)]] * 5)[2] for logit in (0.0, -0.728))
    assert at == pytest.approx(0.6, abs=0.001)
    assert below == pytest.approx(0.42, abs=0.001)


def test_a_single_frame_without_the_object_does_not_end_it() -> None:
    there: Seen = [(PERSON, 2.0)]
    assert (probability(A_PERSON, [there, there, [], there, there]) > 0.42).all()


def test_a_clip_without_a_frame_says_nothing() -> None:
    p = probability(A_PERSON, [[(PERSON, 2.0)], None, [(PERSON, 2.0)]])
    assert p[1] == 0
    assert (p[[0, 2]] > 0.8).all()


@pytest.mark.parametrize("clips", [1, 2, 3])
def test_the_first_clips_of_a_live_stream_are_scored(clips: int) -> None:
    p = probability(A_PERSON, [[(PERSON, 1.0)]] * clips)
    assert p.shape == (clips,)
    assert (p > 0.6).all()


@pytest.mark.parametrize(("people", "enough"), [(0, False), (1, False), (2, True), (3, True)])
def test_objects_are_counted(people: int, enough: bool) -> None:
    two = ObjectQuery((Counted((PERSON,), 2),))
    p = probability(two, [[(PERSON, 1.0)] * people + [(CAR, 4.0)]] * 3)
    assert (p[1] > 0.6) == enough


def test_more_objects_than_a_detector_reports_are_never_seen() -> None:
    assert (probability(ObjectQuery((Counted((PERSON,), M + 1),)), [[(PERSON, 5.0)] * M] * 3) == 0).all()


@pytest.mark.parametrize(("share", "seen"), [(0.0, False), (0.07, False), (0.09, True)])
def test_a_colour_must_fill_enough_of_the_box(share: float, seen: bool) -> None:
    red_car = query(ObjectQuery((Counted((CAR,), colour=0),)))
    p = ObjectSigns([red_car]).join(np.zeros((3, 1), np.float32), window([[(CAR, 3.0)]] * 3, red=share), 0)
    assert (p[1, 0] > 0.6) == seen


def test_an_empty_road_is_where_a_vehicle_was_seen_and_not_where_a_person_was() -> None:
    empty = ObjectQuery((Counted((PERSON,)), Counted((CAR,))), absent=True, frames="either", place=(CAR,))
    person, car, none = [(PERSON, 3.0)], [(CAR, 3.0)], [(DOG, 3.0)]
    p = probability(empty, [person] * 3 + [none] * 3 + [car] * 3 + [none] * 3)
    assert (p[:9] < 0.42).all()
    assert p[10] > 0.6


def test_all_objects_must_be_seen() -> None:
    both = ObjectQuery((Counted((PERSON,)), Counted((DOG,))))
    assert probability(both, [[(PERSON, 2.0), (DOG, 2.0)]] * 3)[1] > 0.6
    assert probability(both, [[(PERSON, 2.0)]] * 3)[1] < 0.42
    assert probability(both, [[(DOG, 2.0)]] * 3)[1] < 0.42


def test_absence_holds_only_where_there_is_a_frame() -> None:
    nobody = replace(A_PERSON, absent=True)
    p = probability(nobody, [[], [], [], None, [(PERSON, 3.0)], [(PERSON, 3.0)]])
    assert (p[:2] > 0.9).all()
    assert p[3] == 0
    assert (p[4:] < 0.1).all()


def test_none_of_several_is_seen() -> None:
    neither = ObjectQuery((Counted((PERSON,)), Counted((CAR,))), absent=True)
    assert probability(neither, [[(DOG, 3.0)]] * 3)[1] > 0.9
    assert probability(neither, [[(CAR, 3.0)]] * 3)[1] < 0.1


@pytest.mark.parametrize(
    ("frames", "undetected", "detected"), [("ignore", 0.0, 1.0), ("either", 0.9, 1.0), ("both", 0.0, 0.9)]
)
def test_how_features_count(frames: Literal["ignore", "either", "both"], undetected: float, detected: float) -> None:
    asked = ObjectQuery((Counted((DOG,)),), frames=frames)
    assert probability(asked, [[]] * 3, 0.9)[1] == pytest.approx(undetected, abs=0.01)
    assert probability(asked, [[(DOG, 5.0)]] * 3, 0.9)[1] == pytest.approx(detected, abs=0.01)


def test_features_are_no_sign_while_a_veto_is_seen() -> None:
    car = ObjectQuery((Counted((CAR,)),), frames="either", veto=(PERSON,))
    assert probability(car, [[]] * 3, 0.9)[1] > 0.8
    assert probability(car, [[(PERSON, 4.0)]] * 3, 0.9)[1] < 0.1
    assert probability(car, [[(PERSON, 4.0), (CAR, 4.0)]] * 3, 0.0)[1] > 0.9


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_place_is_what_the_camera_has_shown(elsewhere: bool) -> None:
    crossing = replace(A_PERSON, place=(CAR,), elsewhere=elsewhere)
    person, car = [(PERSON, 3.0)], [(CAR, 3.0)]
    p = probability(crossing, [person] * 3 + [car] * 3 + [person] * 3)
    assert (p[1] > 0.6, p[7] > 0.6) == (elsewhere, not elsewhere)


def test_a_place_is_remembered_when_it_has_left_the_window() -> None:
    crossing = replace(A_PERSON, place=(CAR,))
    frames: list[Seen] = [*[[(CAR, 3.0)]] * 3, *[[]] * 10, *[[(PERSON, 3.0)]] * 3]
    signs, nothing = ObjectSigns([query(crossing)]), np.zeros((4, 1), np.float32)
    for first in range(len(frames) - 4):
        signs.join(nothing, window(frames[first : first + 4]), first)
    assert signs.join(nothing, window(frames[-4:]), len(frames) - 4)[2, 0] > 0.6


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_sliding_window_finds_what_one_window_finds(step: int) -> None:
    """A clip has neighbours on both sides, also while it is the first of its window."""
    dice, clips = np.random.default_rng(3), 24
    frames: list[Seen] = [[(PERSON, float(x))] for x in dice.normal(0, 2, clips)]
    p, size = dice.random((clips, 1)).astype(np.float32), 6
    whole = ObjectSigns([query(A_PERSON)]).join(p, window(frames), 0)
    signs, last = ObjectSigns([query(A_PERSON)]), np.zeros((clips, 1), np.float32)
    for end in range(step, clips + 1, step):
        first = max(0, end - size)
        last[first:end] = signs.join(p[first:end], window(frames[first:end]), first)
    np.testing.assert_allclose(last, whole, atol=1e-6)


def test_of_several_paraphrases_the_most_probable_counts() -> None:
    dog = ObjectQuery((Counted((DOG,)),))
    signs = ObjectSigns([query(A_PERSON, dog), query(A_PERSON, None)])
    p = np.full((3, 2), 0.7, np.float32)
    joined = signs.join(p, window([[(DOG, 3.0)]] * 3), 0)
    assert joined[1, 0] > 0.9
    assert joined[1, 1] == pytest.approx(0.7)


def test_queries_without_objects_and_windows_without_detections_are_as_before() -> None:
    p = np.full((3, 1), 0.7, np.float32)
    assert ObjectSigns([query()]).join(p, window([[(DOG, 3.0)]] * 3), 0) is p
    assert ObjectSigns([query(A_PERSON)]).join(p, replace(window([[]] * 3), detections=None), 0) is p


def test_an_aligner_gives_one_probability_with_the_objects_in_it() -> None:
    aligner = SimilarityAligner(LITE_CALIBRATION)
    (track,) = aligner.begin([query(A_PERSON)]).score(window([[(PERSON, 3.0)]] * 3), 0)
    assert track.p[1] > 0.9
    assert track.shares[1, 0] > 0.9


def test_an_event_does_not_grow_beyond_the_frames_that_show_its_object() -> None:
    p = probability(A_PERSON, [[(PERSON, -2.0)]] * 3 + [[(PERSON, 5.0)]] * 3 + [[(PERSON, -2.0)]] * 3)
    assert (p >= 0.42).tolist() == [False] * 3 + [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("logit", "look", "seen"),
    [(1.0, 0.0, True), (-1.0, 0.9, True), (-1.0, 0.1, False), (-3.0, 1.0, False), (-np.inf, 1.0, False)],
)
def test_a_look_confirms_what_is_faintly_detected_and_is_no_sign_alone(logit: float, look: float, seen: bool) -> None:
    car = ObjectQuery((Counted((CAR,)),), frames="confirm")
    assert (probability(car, [[(CAR, logit)]] * 5, look)[2] > 0.6) == seen
