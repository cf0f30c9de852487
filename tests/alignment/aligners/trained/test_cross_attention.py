"""The online aligner: what it remembers must not change what it says."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from alignment.aligners.trained.batches import make_batch
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.network import CrossAttention
from alignment.errors import FeatureError
from alignment.types import EventQuery, FeatureWindow, ScoreTrack
from alignment.windows import ClipWindow
from tests.support.models.aligners import (
    CALIBRATION,
    FRAME_DIM,
    NAMES,
    SENTENCE_DIM,
    isometry,
    make_query,
    moved,
    random_network,
    shipped_network,
    units,
)

CLIPS, WINDOW = 120, 75
ALIGNER = CrossAttentionAligner(random_network(), CALIBRATION)


def queries() -> list[EventQuery]:
    """Return two about what is seen, one about what is said, one about what is heard."""
    made = [make_query(np.random.default_rng(i), m, f"e{i}") for i, m in enumerate([0, 1, 2, 0])]
    likes = [np.clip(NAMES @ q.vision[0], 0, None) for q in made]
    return [replace(q, vocabulary=NAMES, likeness=x) for q, x in zip(made, likes, strict=True)]


QUERIES = queries()


def stream(clips: int = CLIPS, seed: int = 1) -> FeatureWindow:
    """Return a window over everything: all that is asked for is there now and then, some frames are lost."""
    rng = np.random.default_rng(seed)
    frames, speech = units(rng, clips, FRAME_DIM), units(rng, clips // 6, SENTENCE_DIM)
    for start in range(5, clips - 4, 20):
        frames[start : start + 4] = QUERIES[(start // 20) % 2 * 3].vision
    speech[::4] = QUERIES[1].speech
    mask = rng.random(clips) > 0.1
    t = np.arange(clips, dtype=np.float64)
    starts = np.arange(len(speech)) * 6.0
    sound = rng.random((clips, 3)).astype(np.float32)
    return FeatureWindow(
        np.stack([t, t + 1], 1),
        np.where(mask[:, None], frames, 0).astype(np.float32),
        mask,
        speech,
        np.stack([starts, starts + 3.5], 1),
        sound,
        rng.random(clips) > 0.2,
    )


def cut(w: FeatureWindow, first: int, end: int) -> FeatureWindow:
    """Return the clips from ``first`` to before ``end``, with all that is said."""
    return replace(
        w,
        **{n: getattr(w, n)[first:end] for n in ("bounds", "frames", "frame_mask", "sound", "sound_mask")},
    )


def streamed(w: FeatureWindow, steps: Sequence[int], asked: Sequence[EventQuery] = QUERIES) -> np.ndarray:
    """Return the scores [Q, T] as they were when each clip was decided, clips coming in ``steps``."""
    scorer, end, decided = ALIGNER.begin(asked), 0, 0
    out = np.full((len(asked), len(w.bounds)), np.nan, np.float32)
    for step in steps:
        first, end = max(0, end - WINDOW), min(end + step, len(w.bounds))  # as ``ClipWindow``: trimmed after scoring
        p = np.stack([t.p for t in scorer.score(cut(w, first, end), first)])
        assert p.shape == (len(asked), end - first)
        until = end if end == len(w.bounds) else end - ALIGNER.lookahead
        out[:, decided:until] = p[:, decided - first : until - first]
        decided = until
    return out


def at_once(w: FeatureWindow, asked: Sequence[EventQuery] = QUERIES) -> tuple[ScoreTrack, ...]:
    return ALIGNER.begin(asked).score(w, 0)


def scores(tracks: Sequence[ScoreTrack]) -> np.ndarray:
    return np.stack([t.p for t in tracks])


def test_a_window_at_once_is_the_network_s_answer() -> None:
    w = stream()
    with torch.inference_mode():
        out = random_network()(make_batch([(w, q) for q in QUERIES], CALIBRATION))
    tracks = at_once(w)
    np.testing.assert_allclose(scores(tracks), out.foreground.sigmoid(), atol=1e-5)
    for track, shares in zip(tracks, out.shares, strict=True):
        np.testing.assert_allclose(track.shares, shares, atol=1e-4)
    assert [t.event for t in tracks] == ["e0", "e1", "e2", "e3"]
    assert scores(tracks).max(1).min() > 0.2


@pytest.mark.parametrize(
    "steps",
    [[1] * CLIPS, [1, 2, 30, 7, 1, 1, 40, 5, 33], [100, 20], [3] * 40],
    ids=["hop by hop", "in bursts", "more than a window", "by three"],
)
def test_a_stream_scores_as_the_whole_does(steps: list[int]) -> None:
    w = stream()
    np.testing.assert_allclose(streamed(w, steps), scores(at_once(w)), atol=1e-5)


def test_a_score_is_kept_while_its_clip_is_in_the_window() -> None:
    w, scorer = stream(), ALIGNER.begin(QUERIES)
    whole = scores(at_once(w))
    for end in range(1, CLIPS + 1):
        first = max(0, end - WINDOW)
        p = scores(scorer.score(cut(w, first, end), first))
        np.testing.assert_allclose(p[:, :-1], whole[:, first : end - 1], atol=1e-5)


def test_the_same_window_again_gives_the_same() -> None:
    w, scorer = stream(40), ALIGNER.begin(QUERIES)
    first = scores(scorer.score(w, 0))
    np.testing.assert_allclose(scores(scorer.score(w, 0)), first, atol=1e-6)


def test_what_is_heard_late_changes_what_was() -> None:
    w, scorer = stream(40), ALIGNER.begin(QUERIES)
    deaf = replace(w, speech=w.speech[:0], speech_t=w.speech_t[:0])
    before = scores(scorer.score(deaf, 0))
    after = scores(scorer.score(w, 0))
    np.testing.assert_allclose(after, scores(at_once(w)), atol=1e-5)
    said = slice(0, 3)  # the first utterance, 0 to 3.5 s, is what is asked for
    assert (after[1, said] > before[1, said] + 0.05).all()


def test_a_frame_that_comes_late_still_counts() -> None:
    """Sound goes on without pictures; when they come, they fill the empty clips."""
    w, scorer = stream(30), ALIGNER.begin(QUERIES)
    mask = w.frame_mask.copy()
    mask[12:17] = True
    frames = w.frames.copy()
    frames[12:17] = QUERIES[0].vision
    late = np.isin(np.arange(30), np.arange(12, 17))
    dark = replace(w, frame_mask=mask & ~late, frames=np.where(late[:, None], 0, frames).astype(np.float32))
    full = replace(w, frame_mask=mask, frames=frames)
    for end in range(1, 21):
        scorer.score(cut(dark, 0, end), 0)
    p = scores(scorer.score(cut(full, 0, 21), 0))
    np.testing.assert_allclose(p, scores(at_once(cut(full, 0, 21))), atol=1e-5)
    assert p[0, 12:17].min() > scores(at_once(cut(dark, 0, 21)))[0, 12:17].max() + 0.2
    for end in range(22, 31):  # and it is remembered
        p = scores(scorer.score(cut(full, 0, end), 0))
    np.testing.assert_allclose(p, scores(at_once(full)), atol=1e-5)


def test_late_frames_get_clips_of_their_own_among_those_of_sound() -> None:
    """Key frames a second apart come in two parts after an outage: what was read of the clips behind is read again."""
    window, scorer = ClipWindow(4.0, FRAME_DIM, SENTENCE_DIM), ALIGNER.begin(QUERIES)
    rows = stream(40).frames
    sizes: list[int] = []
    for part, heard in ((range(10), 30.0), (range(10, 13), 31.0), (range(13, 25), 38.0), (range(25, 40), 40.0)):
        for t in part:
            window.add_frame(float(t), rows[t])
        found = window.features()
        p = scores(scorer.score(found, window.first))
        np.testing.assert_allclose(p, scores(at_once(found)), atol=1e-5)
        window.fill_until(heard)
        sizes.append(len(window))
        scorer.score(window.features(), window.first)
    assert sizes == [14, 17, 27, 40]  # four of sound, and none where there are pictures


def test_scorers_of_one_aligner_are_independent() -> None:
    w, other = stream(), stream(seed=2)
    a, b = ALIGNER.begin(QUERIES), ALIGNER.begin(QUERIES)
    for end in range(1, 30):
        a.score(cut(w, 0, end), 0)
        b.score(cut(other, 0, end), 0)
    np.testing.assert_allclose(scores(a.score(cut(w, 0, 30), 0)), scores(at_once(cut(w, 0, 30))), atol=1e-5)


@pytest.mark.parametrize("width", [512, 768])
def test_another_encoder_of_another_width_gives_the_same(width: int) -> None:
    aligner, w = CrossAttentionAligner(shipped_network(), CALIBRATION), stream(40)
    maps = isometry(3, FRAME_DIM, width), isometry(4, SENTENCE_DIM, width)
    there = [moved(w, q, *maps) for q in QUERIES]
    expected = aligner.begin(QUERIES).score(w, 0)
    found = aligner.begin([q for _, q in there]).score(there[0][0], 0)
    np.testing.assert_allclose(scores(found), scores(expected), atol=2e-3)
    assert scores(expected).std(axis=1).min() > 0.01


@pytest.mark.parametrize(("field", "kind"), [("frames", "frames"), ("speech", "speech")])
def test_another_width_than_the_descriptions_is_an_error(field: str, kind: str) -> None:
    w = stream(10)
    rows: Any = np.zeros((len(getattr(w, field)), 40), np.float32)
    wide = replace(w, **{field: rows})
    with pytest.raises(FeatureError, match=f"{kind} 40") as error:
        at_once(wide)
    assert error.value.hint


def test_nothing_to_look_for_gives_nothing() -> None:
    assert at_once(stream(10), []) == ()


def test_spans_of_speech_begin_and_end_with_the_words() -> None:
    aligner = CrossAttentionAligner(CrossAttention(), CALIBRATION)
    w = stream(20)
    w = replace(w, speech_t=w.speech_t + 0.3)
    track = aligner.begin([replace(QUERIES[1], prior=np.array([0, 1, 0], np.float32))]).score(w, 0)[0]
    active = np.flatnonzero(track.p > 0.5)
    assert active.tolist() == [0, 1, 2, 3]
    assert (track.bounds[0, 0], track.bounds[3, 1]) == (0.3, 3.8)
    assert track.bounds[10].tolist() == w.bounds[10].tolist()


def words(w: FeatureWindow, query: EventQuery) -> np.ndarray:
    torch.manual_seed(0)
    return CrossAttentionAligner(CrossAttention(), CALIBRATION).attend(w, query)


def test_attention_is_on_the_word_that_is_seen() -> None:
    w, query = stream(30), replace(QUERIES[0], prior=np.array([1, 0, 0], np.float32))
    frames, mask = w.frames.copy(), w.frame_mask.copy()
    frames[4:8], frames[12:16] = query.vision_words[0], query.vision_words[1]
    mask[[4, 5, 6, 12, 13, 14]] = True
    mask[20] = False
    attention = words(replace(w, frames=frames, frame_mask=mask), query)
    assert attention.shape == (30, 2)
    total = attention.sum(1)
    np.testing.assert_allclose(total[mask], 1, atol=1e-4)
    assert not attention[~mask].any()
    assert attention[4:7, 0].min() > 0.6
    assert attention[12:15, 1].min() > 0.6


def test_attention_is_on_the_word_that_is_said() -> None:
    w, query = stream(30), replace(QUERIES[1], prior=np.array([0, 1, 0], np.float32))
    speech = w.speech.copy()
    speech[1], speech[3] = query.speech_words[0], query.speech_words[1]  # from 6 and from 18 s
    attention = words(replace(w, speech=speech), query)
    assert attention[6:9, 0].min() > 0.6
    assert attention[18:21, 1].min() > 0.6
    assert not attention[11].any()  # silence
    silent = words(replace(w, speech=speech[:0], speech_t=w.speech_t[:0]), query)
    assert not silent.any()


def test_a_hundred_events_take_milliseconds() -> None:
    many, w = [replace(QUERIES[i % 4], event=f"e{i}") for i in range(100)], stream()
    scorer, taken = CrossAttentionAligner(CrossAttention(), CALIBRATION).begin(many), []
    for end in range(WINDOW, CLIPS):
        window, start = cut(w, end - WINDOW, end), time.thread_time()
        scorer.score(window, end - WINDOW)
        taken.append(time.thread_time() - start)
    assert np.median(taken) < 0.1  # 0.02 on a core of its own; all clips anew would take a second
