"""Evaluated online, from spans that come late, grow, and come from cameras of different delays, as from all at once."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignment.temporal.evaluator import build
from alignment.temporal.expressions import (
    Absent,
    All,
    Any,
    Count,
    Expression,
    Lasting,
    Ref,
    Then,
    ThenNot,
    While,
)
from alignment.temporal.node import Known
from alignment.temporal.types import Key, Occurrence, Part, Progress
from tests.alignment.temporal.oracle import Oracle, shown

SOURCES = (Ref("gate", "person"), Ref("gate", "dog"), Ref("yard", "person"))
TIMES = (5.0, 20.0, 60.0, 300.0)

refs = st.sampled_from(SOURCES)
times = st.sampled_from(TIMES)
some_refs = st.lists(refs, min_size=1, max_size=2, unique=True).map(tuple)
afters = st.one_of(refs, some_refs.map(Any), st.builds(Lasting, refs, times))
expressions: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(refs, st.builds(Absent, some_refs, times)),
    lambda inner: st.one_of(
        st.builds(Then, inner, afters, times),
        st.builds(ThenNot, inner, some_refs, times),
        st.builds(While, inner, inner),
        st.builds(All, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Any, st.lists(inner, min_size=2, max_size=2, unique=True).map(tuple)),
        st.builds(Lasting, inner, times),
        st.builds(Count, inner, st.integers(2, 4), times),
    ),
    max_leaves=4,
)


class World:
    """Spans of some cameras, each watched in stretches; what is known of them at any time."""

    def __init__(self, seed: int, hours: float = 0.5) -> None:
        self.random = random.Random(seed)
        self.end = 3600 * hours
        delays = {camera: self.random.choice((0.0, 2.0, 40.0)) for camera in ("gate", "yard")}
        self.breaks = {camera: self._breaks() for camera in delays}
        self.spans = [span for source in SOURCES for span in self._spans(source)]
        self.delay = {source: delays[str(source.camera)] for source in SOURCES}
        self.stretches = [
            Progress(source, since, until) for source in SOURCES for since, until in self.breaks[str(source.camera)]
        ]

    def _breaks(self) -> list[tuple[float, float]]:
        cuts = sorted(self.random.uniform(0, self.end) for _ in range(2 * self.random.randint(0, 2)))
        edges = [0.0, *cuts, self.end]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def _spans(self, source: Ref) -> Iterator[Part]:
        busy = self.random.choice((10.0, 60.0, 400.0))
        for since, until in self.breaks[str(source.camera)]:
            t, n = since + self.random.expovariate(1 / busy), 0
            while t < until:
                long = self.random.choice((3.0, 30.0, 200.0))
                end = min(until, t + self.random.uniform(1, long))
                yield Part(f"{source.camera}-{source.event}-{since:.0f}-{n}", source, round(t, 3), round(end, 3))
                t, n = end + 3 + self.random.expovariate(1 / busy), n + 1

    def steps(self) -> Iterator[tuple[list[Part], list[Progress]]]:
        """Yield what becomes known from one look to the next, as a daemon sees it."""
        published: dict[str, Part] = {}
        found_after = {span.id: self.random.uniform(0, 8) for span in self.spans}
        now = 0.0
        while now < self.end + 60:
            now += self.random.choice((0.5, 2.0, 9.0, 30.0))
            seen = {source: now - delay for source, delay in self.delay.items()}
            parts = []
            for span in self.spans:
                at = seen[span.source]
                known = span if at >= span.end else replace(span, end=at, open=True)
                before = published.get(span.id)
                if at < span.start + found_after[span.id] or before == span:
                    continue
                if before is None or not known.open or known.end >= before.end + 10:
                    published[span.id] = known
                    parts.append(known)
            self.random.shuffle(parts)
            yield parts, [p for source in SOURCES for p in self._watermarks(source, seen[source], published)]

    def _watermarks(self, source: Ref, at: float, published: dict[str, Part]) -> Iterator[Progress]:
        missing = [s.start for s in self.spans if s.source == source and s.id not in published and s.start <= at]
        until = min([at, *missing])
        lasts = max((min(s.end, at) for s in self.spans if s.source == source and s.id in published), default=0.0)
        for since, end in self.breaks[str(source.camera)]:
            if since <= until:
                yield Progress(source, since, min(end, until), lasts if self.random.random() < 0.5 else float("-inf"))


def online(expression: Expression, world: World) -> dict[Key, Occurrence]:
    """Return what is found in the end, by all that changed and was taken back on the way."""
    root, known, found = build(expression), Known(), dict[Key, Occurrence]()
    for parts, progress in world.steps():
        for watermark in progress:
            known.take(watermark)
        delta = root.step(parts, known)
        known.settle()
        found |= {o.key: o for o in delta.changed}
        for key in delta.gone:
            found.pop(key, None)
    return found


def assert_equal(expression: Expression, seed: int) -> None:
    world = World(seed)
    expected = Oracle(world.spans, world.stretches).find(expression)
    found = online(expression, world).values()
    got = {(round(o.start, 3), round(o.onset, 3), round(o.end, 3), frozenset(p.id for p in o.parts)) for o in found}
    assert got == set(shown(expected))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions, st.integers(0, 10_000))
def test_online_finds_what_the_definitions_find(expression: Expression, seed: int) -> None:
    assert_equal(expression, seed)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions, st.integers(0, 1_000_000))
def test_online_finds_what_the_definitions_find_in_many_worlds(expression: Expression, seed: int) -> None:
    assert_equal(expression, seed)
