"""The whole loop of one stream: source → features → scores → spans → events → sink.

``Requests`` reads the source and yields items with their features; the thread of the pipeline decides on each item
and publishes what follows (``Decider``).
"""

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import structlog

from alignment.aligners.base import Aligner
from alignment.errors import WatchwordError
from workers.clock import Clock, SystemClock
from workers.decisions.announcer import Announcer
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.store import BudgetStore
from workers.decisions.decider import STALL_HOPS, Decider
from workers.decisions.feedback import SampleKeeper, load_heads
from workers.decisions.frames import FrameKeeper
from workers.decisions.results import ResultsCollector
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder, StreamRules, prepare_rules
from workers.detectors.classes import NAMES
from workers.errors import SourceError
from workers.events.evidence import EvidenceStore
from workers.events.writer import EventWriter
from workers.services.clients import StreamServices
from workers.services.settings import ServiceSettings
from workers.sources.base import Source
from workers.sources.synthetic import SyntheticSource
from workers.stream.clips import ClipRecorder
from workers.stream.embedding import Embedder, View
from workers.stream.latest_frame import FrameHolder, LatestFrame
from workers.stream.opening import file_identity, open_source
from workers.stream.requests import Requests
from workers.stream.tape import Tape, tape_info
from workers.stream.thumbnails import Thumbnails
from workers.stream.unusual import UnusualMoments
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceInfo

log = structlog.get_logger()


class StreamPipeline:
    """One camera from source to sink. ``run`` returns when the source has ended and everything is published."""

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        source: Source,
        aligner: Aligner,
        services: StreamServices,
        settings: ServiceSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._camera, self._source, self._aligner = camera, source, aligner
        self._services, self._settings = services, settings or ServiceSettings()
        self._order = RulesOrder(events, services, self._settings.config_hash)
        self._rules: StreamRules | None = None  # once the source is open; those that were prepared last
        self._preparing = threading.Lock()
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._state = StreamSnapshot(camera.name, stall_timeout_s=camera.stall_timeout_s)
        self._requests: Requests | None = None  # once the source is open
        self._decider: Decider | None = None
        self._recorder: ClipRecorder | None = None
        self._finishing = False  # everything is decided, clips are still to be made
        self._unusual: UnusualMoments | None = None
        self._results = ResultsCollector() if camera.results else None
        self._frames = FrameHolder()

    def run(self) -> None:
        """Work until the source ends or ``stop`` is called; raise what made it fail, after all else is published."""
        try:
            for event in self._services.sink.end_open(self._camera.name):
                log.warning(
                    "event ended, for its stream died", camera=event.camera, event_name=event.event, id=event.id
                )
            info = open_source(self._source, self._camera, self._clock, self._stopping, self._note_failure)
            if info is not None:
                self._decide_all(info)
            results = self._results.results() if self._results else None
            self._state = replace(self._state, state=StreamState.FINISHED, results=results)
        finally:
            # a reader that still reads closes the source itself: to close a container in use crashes FFmpeg
            if self._requests is None or not self._requests.reading:
                self._source.close()

    def stop(self) -> None:
        """Request an orderly end: open spans are closed and published. From any thread."""
        self._stopping.set()
        self._source.stop()

    def snapshot(self) -> StreamSnapshot:
        """Return the counters. From any thread."""
        source, requests, decider = self._source.snapshot(), self._requests, self._decider
        if requests is None or decider is None:
            return replace(self._state, source=source)
        lost = requests.embedder.lost + Counter(late=decider.late)
        state = replace(
            self._state,
            source=replace(source, dropped=dict(Counter(source.dropped) + lost)),
            stages={name: h.snapshot() for name, h in requests.embedder.seconds.items()},
            queue_depth=requests.depth,
            clips=self._recorder.counts if self._recorder is not None else {},
            index_lost=self._tape.lost,
        )
        # requests of a file are served after those of cameras
        return decider.snapshot(state, waits=(requests.waiting or self._finishing) and not state.live)

    def _build_recorder(self, info: SourceInfo) -> ClipRecorder | None:
        """Return what makes clips and full frames; None for a test pattern, which has no encoded stream."""
        if isinstance(self._source, SyntheticSource):
            return None
        options, state = self._settings.clips, self._services.state
        self._recorder = ClipRecorder(self._source, state, self._camera, options, info.live, self._clock)
        return self._recorder

    def change_rules(self, order: RulesOrder, aligner: Aligner | None = None) -> None:
        """Decide by other rules from the next hop on; ``aligner``: another one, None for the same.

        It returns when the descriptions are embedded, or raises the encoder's error. From any thread but its own.
        """
        with self._preparing:
            self._aligner = aligner or self._aligner
            if (before := self._rules) is None or self._requests is None:
                self._order = order
                return
            if order.events == before.order.events and self._aligner is before.aligner:
                heads = load_heads(order.services.state, order.events, before.keys.model)
                rules = replace(before, order=order, rule_set=replace(before.rule_set, heads=heads))
            else:
                rules = prepare_rules(order, self._camera, self._info, self._aligner, before.analyser)
            self._rules = rules
            self._requests.exchange(rules)

    def latest_frame(self) -> LatestFrame | None:
        """Return the latest sampled frame, None before the first. From any thread."""
        return self._frames.latest()

    def _note_failure(self, error: SourceError) -> None:
        self._state = replace(self._state, error=f"{error.code}: {error}", progress_wall=self._clock.wall())

    def _decide_all(self, info: SourceInfo) -> None:
        """Decide on every item of the source; raise what made the source or a request fail."""
        with self._preparing:
            budgets, requests, decider = self._prepare(info)
            self._requests, self._decider, self._info = requests, decider, info
        requests.start()
        try:
            for item in requests:
                if isinstance(item, StreamRules):
                    decider.change_rules(item)
                    self._follow(item, requests)
                else:
                    decided = self._tape.take(item, decider.behind)
                    decider.decide(decided)
                    if self._unusual is not None:
                        self._unusual.take(decided)
        except Exception:
            if info.live:  # the session is over; a file is read again, and finds the true ends
                with suppress(WatchwordError):
                    decider.finish()
            raise
        finally:
            requests.close()
            self._tape.finish()
            budgets.save(force=True)
            if self._recorder is not None:
                self._finishing = True
                self._recorder.finish(self._stopping)

    def _prepare(self, info: SourceInfo) -> tuple[BudgetStore, Requests, Decider]:
        """Embed the descriptions and set up what the items pass through."""
        camera, services, settings = self._camera, self._services, self._settings
        self._rules = rules = prepare_rules(self._order, camera, info, self._aligner)
        encoder = services.encoder.describe()
        # what one upload showed says nothing about the next
        learned = services.state if info.live and settings.budget_folder else None
        look_alikes, config_hash = LookAlikes(services.encoder), self._order.config_hash
        budgets = BudgetStore(learned, camera.name, rules.rule_set, rules.keys, look_alikes, self._clock)
        writer = EventWriter(camera.name, info.live, camera.hop_s, encoder.info, rules.keys.model, config_hash, NAMES)
        file, state = file_identity(camera, info, self._stopping), services.state
        recorder = self._build_recorder(info) if settings.evidence_folder else None
        kept = state if settings.evidence_folder else None
        evidence = EvidenceStore(kept, camera.name, file.stem if file else "", recorder)
        pictured = info.live and kept is not None and settings.clips.unusual
        self._unusual = UnusualMoments(camera.name, evidence, state) if pictured else None
        samples = SampleKeeper(state, rules.specs, rules.keys.model) if settings.layout else None
        frames = FrameKeeper(state, evidence) if settings.layout else None
        sink, stopping = services.sink, self._stopping
        announcer = Announcer(
            rules.specs,
            writer,
            sink,
            evidence,
            self._clock,
            stopping,
            state,
            file,
            self._results,
            samples,
            frames,
            camera.over_time,
        )
        embedder = Embedder(camera.name, info.live, services.encoder, services.speech, self._clock)
        embedder.view = _view(rules)
        tape = tape_info(camera, info, encoder, rules, self._clock.wall())
        self._tape = Tape(
            services.state if settings.index_folder else None,
            tape,
            self._clock,
            Thumbnails(evidence) if pictured else None,
        )
        self._note_opened(info, rules)

        def keep(batch: FrameBatch) -> None:
            self._frames.keep(batch)
            evidence.keep(batch)

        requests = Requests(self._source, info.live, embedder, rules.analyser, keep)
        decider = Decider(camera, info, encoder, rules, budgets, announcer, self._clock)
        return budgets, requests, decider

    def _note_opened(self, info: SourceInfo, rules: StreamRules) -> None:
        self._state = replace(
            self._state,
            state=StreamState.RUNNING,
            live=info.live,
            duration_s=info.duration_s,
            width=info.width,
            height=info.height,
            warnings=rules.warnings,
            config_hash=rules.order.config_hash,
            stall_timeout_s=max(self._camera.stall_timeout_s, STALL_HOPS * self._camera.hop_s),
            error=None,
            progress_wall=self._clock.wall(),
        )

    def _follow(self, rules: StreamRules, requests: Requests) -> None:
        """Request from now on what other rules need, which the decider has taken up."""
        requests.embedder.view = _view(rules)
        self._tape.follow(rules.analyser)
        requests.analyser = rules.analyser
        config_hash = rules.order.config_hash
        changed = rules.order.events != self._order.events
        self._order = rules.order
        self._state = replace(self._state, warnings=rules.warnings, config_hash=config_hash)
        if changed:
            log.info("rules changed", camera=self._camera.name, events=[s.name for s in rules.specs])


def _view(rules: StreamRules) -> View:
    """Return what is asked of a frame."""
    services, rule_set = rules.order.services, rules.rule_set
    return View(services.encoder, services.detector if rule_set.detects else None, rule_set.zones)
