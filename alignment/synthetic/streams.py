"""Synthetic training streams, composed from embedded phrases without any video or audio.

A shot of a *thing* is represented as a classifier would report it: some belief in the thing, the rest in similar
things, in proportions that vary from shot to shot, and sometimes with a wrong similar thing on top. A *scene* without
a name is represented as a clutter of things. Speech is passages of sentences on one topic. Descriptions are of things
(by name, by kind, in other words), scenes and topics, both present and absent; absent ones are similar to what is
shown or said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignment.aligners.trained.batches import Sample
from alignment.types import F32, F64, SOUND_CLASSES, EventQuery, FeatureWindow
from alignment.vectors import unit_rows

CLIPS = 96  # per stream; longer than the network's window, so that training covers steps leaving it
TOP = 10  # classes kept of a classifier's output
NAMELESS = 0.15  # share of streams seen by an encoder without a vocabulary of names
MERGE_S = 2.0  # passages on one topic with a smaller gap are one event


@dataclass(frozen=True, slots=True)
class Phrase:
    """A description and the subjects it is true of. ``maybe``: doubtful subjects, which are never shown with it."""

    query: EventQuery
    of: frozenset[int]
    maybe: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """The embedded lexicon. Things and scenes share one range of numbers: things come first.

    ``likeness`` f32[K, K] cosine of things; ``clutter`` f32[C, K] cosine of each scene with all things; ``seen``
    phrases about things and scenes; ``said`` phrases about topics; ``sentences`` f32[.., D'] rows of each topic and
    ``words`` how many words each has; ``imagine`` turns beliefs f32[T, K] into frames f32[T, D].
    """

    likeness: F32
    clutter: F32
    seen: tuple[Phrase, ...]
    said: tuple[Phrase, ...]
    sentences: tuple[F32, ...]
    words: tuple[tuple[int, ...], ...]
    imagine: Callable[[F32], F32]


class Synthesiser:
    """An endless, seeded source of samples over one world."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self._world, self._seed = world, seed
        self._things = len(world.likeness)
        order = np.argsort(-world.likeness, axis=1)
        self._siblings = order[:, 1:25]
        self._by_subject = _index(world.seen, self._things + len(world.clutter))
        self._by_topic = _index(world.said, len(world.sentences))

    def stream(self, number: int) -> list[Sample]:
        """Return the samples of one stream; the same for the same seed and number."""
        rng = np.random.default_rng((self._seed, number))
        hop = float(rng.choice([0.5, 1.0, 1.0, 1.0, 2.0]))
        bounds = np.stack([np.arange(CLIPS) * hop, np.arange(1, CLIPS + 1) * hop], axis=1)
        pool = self._pool(rng)
        shots = _shots(rng, len(pool), hop)  # [T] places in the pool
        frames, mask = self._frames(rng, pool, shots)
        speech, speech_t, passages = self._speech(rng, CLIPS * hop)
        silent = np.zeros((CLIPS, SOUND_CLASSES), np.float32)
        window = FeatureWindow(bounds, frames, mask, speech, speech_t, silent, np.zeros(CLIPS, bool))
        questions = [self._contrasted(rng, p, pool) for p in self._questions(rng, pool)]
        if rng.random() < NAMELESS:
            questions = [
                replace(p, query=replace(p.query, likeness=np.zeros_like(p.query.likeness))) for p in questions
            ]
        asked = [(p, _runs(np.isin(pool[shots], list(p.of)), bounds)) for p in questions]
        asked += [(p, _passages(p, passages)) for p in self._topics(rng, passages)]
        return [Sample(window, p.query, relevant) for p, relevant in asked]

    def _pool(self, rng: np.random.Generator) -> np.ndarray:
        """Return the subjects of this stream: a few things, some of them similar, and scenes."""
        pool: list[int] = []
        while len(pool) < rng.integers(4, 11):
            kind = rng.random()
            if kind < 0.4 and pool and pool[-1] < self._things:
                pool.append(int(rng.choice(self._siblings[pool[-1]][:8])))
            elif kind < 0.82 or not len(self._world.clutter):
                pool.append(int(rng.integers(self._things)))
            else:
                pool.append(self._things + int(rng.integers(len(self._world.clutter))))
        return np.array(list(dict.fromkeys(pool)))

    def _frames(self, rng: np.random.Generator, pool: np.ndarray, shots: np.ndarray) -> tuple[F32, np.ndarray]:
        """Return frames f32[T, D], and bool[T]: which clips have a frame."""
        looks = [self._look(rng, int(s)) for s in pool]
        belief = np.empty((len(shots), self._things), np.float32)
        start = 0
        for end in [*np.flatnonzero(np.diff(shots)) + 1, len(shots)]:
            look = looks[shots[start]] + rng.normal(0, 0.5, self._things) * rng.random()  # a variation of the subject
            steps = rng.normal(0, rng.uniform(0.05, 0.6), (end - start, self._things))
            belief[start:end] = _top(look + steps)
            start = end
        mask = rng.random(len(shots)) > rng.choice([0.0, 0.0, 0.1])
        return np.where(mask[:, None], self._world.imagine(belief), 0).astype(np.float32), mask

    def _look(self, rng: np.random.Generator, subject: int) -> F32:
        """Return a classifier's logits f32[K] for a subject."""
        if subject >= self._things:
            scene = self._world.clutter[subject - self._things]
            logits = rng.uniform(0, 12) * scene + rng.gumbel(0, rng.uniform(0.5, 1.5), self._things)
            return np.asarray(logits, np.float32)
        logits = rng.uniform(4, 12) * self._world.likeness[subject] + rng.gumbel(0, rng.uniform(0.3, 1.2), self._things)
        shown = subject
        if rng.random() < 0.07:  # the classifier is wrong
            shown = int(rng.choice(self._siblings[subject][:6]))
        logits[shown] = np.delete(logits, shown).max() + rng.normal(2.5, 2.5)
        return np.asarray(logits, np.float32)

    def _questions(self, rng: np.random.Generator, pool: np.ndarray) -> list[Phrase]:
        """Return descriptions of shown subjects, of similar ones, and of unrelated ones."""
        shown = set(pool.tolist())
        asked = [self._about(rng, s) for s in rng.permutation(pool)[:5].tolist()]
        near = [int(rng.choice(self._siblings[s][:10])) for s in pool.tolist() if s < self._things]
        asked += [self._about(rng, s) for s in rng.permutation(near)[:3].tolist()]
        asked += [self._world.seen[int(rng.integers(len(self._world.seen)))] for _ in range(3)]
        return [p for p in asked if not p.maybe & shown]

    def _contrasted(self, rng: np.random.Generator, phrase: Phrase, pool: np.ndarray) -> Phrase:
        """Return a phrase, sometimes with another shown subject as its contrast."""
        other = self._about(rng, int(rng.choice(pool)))
        if rng.random() > 0.1 or other.of & phrase.of:
            return phrase
        return replace(phrase, query=replace(phrase.query, vision_unlike=other.query.vision))

    def _about(self, rng: np.random.Generator, subject: int) -> Phrase:
        return self._world.seen[int(rng.choice(self._by_subject[subject]))]

    def _speech(self, rng: np.random.Generator, length: float) -> tuple[F32, F64, list[tuple[int, float, float]]]:
        """Return utterances f32[S, D'], their times f64[S, 2], and passages (topic, start, end)."""
        rows, times, passages = [], [], []
        t = rng.uniform(0, 15)
        topics = rng.choice(len(self._world.sentences), size=min(5, len(self._world.sentences)), replace=False)
        while len(topics) and t < length - 5 and rng.random() < 0.95:
            topic = int(rng.choice(topics))
            begin = t
            for i in rng.permutation(len(self._world.sentences[topic]))[: rng.integers(1, 4)]:
                seconds = self._world.words[topic][i] / rng.uniform(2.0, 3.2)
                rows.append(
                    self._world.sentences[topic][i] + rng.normal(0, 0.015, self._world.sentences[topic].shape[1])
                )
                times.append((t, t + seconds))
                t += seconds + rng.uniform(0.1, 0.7)
            passages.append((topic, begin, times[-1][1]))
            t += rng.choice([rng.uniform(0.5, 3), rng.uniform(3, 25)])
        width = self._world.sentences[0].shape[1] if self._world.sentences else 0
        speech = unit_rows(np.array(rows, np.float32).reshape(len(rows), width))
        return speech, np.array(times, np.float64).reshape(-1, 2), passages

    def _topics(self, rng: np.random.Generator, passages: Sequence[tuple[int, float, float]]) -> list[Phrase]:
        said = list(dict.fromkeys(topic for topic, _, _ in passages))
        asked = [self._world.said[int(rng.choice(self._by_topic[t]))] for t in said[:2]]
        if self._world.said:
            asked += [self._world.said[int(rng.integers(len(self._world.said)))] for _ in range(6)]
        return [p for p in asked if not p.maybe & set(said)]


def _index(phrases: Sequence[Phrase], subjects: int) -> list[list[int]]:
    """Return, for each subject, the indices of the phrases that are true of it."""
    index: list[list[int]] = [[] for _ in range(subjects)]
    for i, phrase in enumerate(phrases):
        for subject in phrase.of:
            index[subject].append(i)
    return index


def _shots(rng: np.random.Generator, subjects: int, hop: float) -> np.ndarray:
    """Return the subject of each clip, [T]; consecutive shots differ if there is more than one subject."""
    shown: list[int] = []
    while len(shown) < CLIPS:
        subject = int(rng.integers(subjects))
        if not shown or subject != shown[-1] or subjects == 1:
            shown += [subject] * max(
                1, round(rng.choice([rng.uniform(3, 15), rng.uniform(15, 40)], p=[0.8, 0.2]) / hop)
            )
    return np.array(shown[:CLIPS])


def _top(logits: F32) -> F32:
    """Return a softmax over the ``TOP`` highest logits of each row, 0 elsewhere."""
    least = np.partition(logits, -TOP, axis=1)[:, -TOP, None]
    e = np.where(logits >= least, np.exp(logits - logits.max(axis=1, keepdims=True)), 0)
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float32)


def _runs(inside: np.ndarray, bounds: F64) -> F64:
    """Return the windows f64[R, 2] of consecutive clips where ``inside`` is True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    return np.array([[bounds[a, 0], bounds[b - 1, 1]] for a, b in edges.reshape(-1, 2)], np.float64).reshape(-1, 2)


def _passages(phrase: Phrase, passages: Sequence[tuple[int, float, float]]) -> F64:
    """Return the windows f64[R, 2] of speech on a phrase's topic."""
    found: list[list[float]] = []
    for topic, start, end in passages:
        if topic not in phrase.of:
            continue
        if found and start - found[-1][1] <= MERGE_S:
            found[-1][1] = end
        else:
            found.append([start, end])
    return np.array(found, np.float64).reshape(-1, 2)
