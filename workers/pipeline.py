"""The whole loop of one stream: source → features → scores → spans → events → sink.

A reader thread (``reading``) takes items from the source and asks for features; the caller's thread takes the
answers, decides and publishes. For a *file* answers are taken strictly in the order they were asked for, so that the
same file always gives the same events, however the work is spread; for a *live* stream each answer is taken when it
is there, so that a slow transcript never delays what is seen.
"""

import threading
from collections import Counter
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from alignment.aligner import Aligner
from alignment.errors import WatchwordError
from alignment.types import F32, SpanChange
from alignment.windowing import ClipWindow
from workers.announcing import Announcer
from workers.backoff import Backoff
from workers.budget_store import BudgetStore, Keys
from workers.clock import Clock, SystemClock
from workers.epoch import Epoch
from workers.errors import ModelUnavailable, Overloaded, ServiceLost, ServiceSilent, SourceError
from workers.events import EventWriter
from workers.evidence import EvidenceStore
from workers.forgetting import Erasures
from workers.listening import Listener
from workers.publish.base import Sink
from workers.queries import query_warnings
from workers.reading import Listened, Over, Reader, Said, Seen
from workers.services import EncoderClient, SpeechClient, answered
from workers.snapshots import StreamSnapshot
from workers.sources.base import RETRY_S, Source
from workers.sources.url import is_live
from workers.telemetry import Histogram
from workers.types import CameraSpec, EventSpec, SourceInfo, Utterance
from workers.watch import build_watch

RETRIES = 5
READER_STOP_S = 10.0  # how long a reader that is told to stop may take
STALL_HOPS = 2.5  # rare frames are no standstill
BEHIND = 0.5  # of the time from frame to frame: a live stream whose hop took more puts off its lesser events
BRIDGE_S = 5.0  # how far a live clip may reach where frames between two were dropped: not looked at is not gone

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamTools:
    """What a stream shares with others. ``speech`` is None where nothing can be transcribed."""

    encoder: EncoderClient
    speech: SpeechClient | None
    aligner: Aligner
    sink: Sink
    config_hash: str = ""
    evidence_folder: Path | None = None
    budget_folder: Path | None = None
    erasures: Path | None = None  # what was forgotten and must not be told again


class StreamPipeline:
    """One camera from source to sink. ``run`` returns when the source has ended and everything is published."""

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        source: Source,
        tools: StreamTools,
        clock: Clock | None = None,
    ) -> None:
        self._camera, self._specs, self._source, self._tools = camera, events, source, tools
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._stages = {name: Histogram() for name in ("encode", "speech", "align", "publish")}
        self._epochs: dict[int, Epoch] = {}
        self._over: set[int] = set()
        # Frames that the encoder could not embed, had no time for, made no numbers of (absent to every aligner), and
        # those that it answered when what was heard after them had already left the window:
        self._lost = Counter(encoder_failed=0, overload=0, not_finite=0, late=0)
        self._behind = False  # whether the latest hop took too long
        self._announcer: Announcer | None = None
        self._asking = False  # services, for what the item in hand gives
        self._reading: threading.Thread | None = None
        self._state = StreamSnapshot(camera.name, stall_timeout_s=camera.stall_timeout_s)

    def run(self) -> None:
        """Work until the source ends or ``stop`` is called; raise what made it fail, after all else is published."""
        try:
            for event in self._tools.sink.end_open(self._camera.name):
                log.warning(
                    "event ended, for its stream died", camera=event.camera, event_name=event.event, id=event.id
                )
            info = self._open()
            if info is not None:
                self._prepare(info)
                self._work()
            self._state = replace(self._state, state="finished")
        finally:
            # a reader that still reads closes the source itself: to close a container in use crashes FFmpeg
            if self._reading is None or not self._reading.is_alive():
                self._source.close()

    def stop(self) -> None:
        """Ask for an orderly end: open spans are closed and published. From any thread."""
        self._stopping.set()
        self._source.stop()

    def snapshot(self) -> StreamSnapshot:
        """Return the counters. From any thread."""
        source = self._source.snapshot()
        source = replace(source, dropped=dict(Counter(source.dropped) + self._lost))
        if self._announcer is None:
            return replace(self._state, source=source)
        return replace(
            self._state,
            progress_wall=self._clock.wall() if self._waits_its_turn() else self._state.progress_wall,
            source=source,
            stages={k: h.snapshot() for k, h in self._stages.items()},
            latency=self._announcer.latency.snapshot(),
            events=dict(self._announcer.counts),
            suppressed=dict(self._announcer.suppressed),
            scores={k: v for e in list(self._epochs.values()) for k, v in e.scores.items()},
            thresholds=self._watch.thresholds(),
            budgets={k: b.per_hour for k, b in self._watch.budgets.items()},
            budget_alerts={k: b.observed_per_hour for k, b in self._watch.budgets.items()},
            budget_hours={k: b.observed_hours for k, b in self._watch.budgets.items()},
            queue_depth=self._reader.ledger.pending(),
        )

    def _waits_its_turn(self) -> bool:
        """Tell whether it stands still for a reason: a full disk; or a file's questions, which come after cameras'."""
        assert self._announcer is not None
        return self._announcer.waiting or (self._asking and not self._info.live)

    def _work(self) -> None:
        """Read in another thread, take the answers in this one; raise what made the source fail."""
        self._reading = threading.Thread(target=self._reader.run, name=f"read-{self._camera.name}", daemon=True)
        self._reading.start()
        try:
            error = self._take_all()
        except Exception:
            if self._info.live:  # the session is over; a file is read again, and finds the true ends
                with suppress(WatchwordError):
                    for number in list(self._epochs):
                        self._finish(number)
            raise
        finally:
            self._source.stop()
            self._reader.abandon()
            self._reading.join(READER_STOP_S)
            self._budgets.save(force=True)
        if error is not None:
            raise error

    def _prepare(self, info: SourceInfo) -> None:
        """Embed the descriptions, set up the two halves."""
        camera, tools = self._camera, self._tools
        self._info = info
        self._encoder = tools.encoder.describe()
        self._watch = build_watch(self._specs, tools.encoder, tools.aligner.rates)
        self._warn()
        folder = tools.budget_folder if info.live else None  # what one upload showed says nothing about the next
        keys = Keys.of(self._specs, self._encoder.info, tools.aligner.name)
        self._budgets = BudgetStore(folder, camera.name, self._watch, keys, self._clock)
        writer = EventWriter(camera.name, self._info.live, camera.hop_s, self._encoder.info, tools.config_hash)
        evidence = EvidenceStore(tools.evidence_folder, camera.name)
        announcer = Announcer(
            self._specs, writer, tools.sink, evidence, self._clock, self._stopping, Erasures(tools.erasures)
        )
        self._reader = Reader(
            self._source,
            self._info.live,
            tools.encoder,
            tools.speech,
            self._listener(),
            evidence,
            self._clock,
        )
        self._announcer = announcer
        self._state = replace(
            self._state,
            state="running",
            live=self._info.live,
            duration_s=self._info.duration_s,
            stall_timeout_s=max(camera.stall_timeout_s, STALL_HOPS * camera.hop_s),
            error=None,
            progress_wall=self._clock.wall(),
        )

    def _open(self) -> SourceInfo | None:
        """Open the source; a live one is tried until it answers. None: stopped before it did."""
        backoff = Backoff(self._clock, max_s=RETRY_S)
        while not self._stopping.is_set():
            try:
                return self._source.open()
            except SourceError as error:
                if self._stopping.is_set():
                    break
                if not is_live(self._camera.url):
                    raise
                wait = backoff.failed(error.retryable)
                self._state = replace(self._state, error=f"{error.code}: {error}", progress_wall=self._clock.wall())
                log.warning(
                    "source_down", camera=self._camera.name, code=error.code, error=str(error), retry_s=round(wait, 1)
                )
                self._stopping.wait(wait)
        return None

    def _warn(self) -> None:
        """Say which events cannot happen here, and why."""
        for text in [w for s in self._specs for w in query_warnings(s, self._encoder.info.profile)]:
            log.warning(text, camera=self._camera.name)
        for spec, query in zip(self._specs, self._watch.queries, strict=True):
            wants_sound, wants_pictures = bool(query.prior[1:].any()), bool(query.prior[0])
            if wants_sound and not wants_pictures and not self._info.has_audio:
                log.warning("event cannot happen: no sound", camera=self._camera.name, event_name=spec.name)
            if wants_pictures and not wants_sound and not self._info.has_video:
                log.warning("event cannot happen: no video stream", camera=self._camera.name, event_name=spec.name)

    def _listener(self) -> Listener | None:
        """Return what listens, where there is sound, someone to transcribe it, and an event that wants it."""
        wanted = any(q.prior[1:].any() for q in self._watch.queries)
        if not (wanted and self._info.has_audio and self._tools.speech):
            return None
        try:
            return Listener(self._camera.priority)
        except ModelUnavailable as error:
            log.warning("sound is not analysed", camera=self._camera.name, code=error.code, error=str(error))
            return None

    def _take_all(self) -> WatchwordError | None:
        """Take answers until the last; return the error with which the source ended."""
        error, ended = None, False
        while not (ended and not self._reader.ledger.pending()):
            item = self._reader.next()
            if isinstance(item, Over):
                self._over.add(item.epoch)
                ended, error = ended or item.last, error or item.error
            else:
                self._take(item)
            for number in [n for n in self._over if not self._reader.ledger.pending(n)]:
                self._over.discard(number)
                self._finish(number)
        return error

    def _take(self, item: Seen | Said | Listened) -> None:
        """Take one answer into its epoch and publish what follows."""
        assert self._announcer is not None
        self._asking = True
        try:
            found = self._changes(item)
        finally:
            self._asking = False
        if found is None:
            return
        with self._stages["publish"].time():
            self._announcer.announce(*found)
        self._budgets.save()
        self._state = replace(self._state, progress_wall=self._clock.wall())

    def _changes(self, item: Seen | Said | Listened) -> tuple[list[SpanChange], Epoch] | None:
        """Take one answer into its epoch; return what follows. None: no answer came."""
        if isinstance(item, Seen):
            epoch = self._epoch(item.batch.epoch, float(item.batch.pts_s[0]))
            features = self._frame_features(item)
            if features is None:
                return None
            began, late = self._clock.monotonic(), epoch.late
            with self._stages["align"].time():
                self._budgets.see(item.batch.pts_s, features)
                changes = epoch.see(item.batch.pts_s, features, self._behind)
            self._lost["late"] += epoch.late - late
            self._behind = self._info.live and self._clock.monotonic() - began > BEHIND * self._camera.hop_s
            self._state = replace(self._state, position_s=float(item.batch.pts_s[-1]))
        elif isinstance(item, Said):
            epoch = self._epoch(item.chunk.epoch, item.chunk.start_s)
            changes = epoch.listen(*self._words(item))
        else:
            epoch = self._epoch(item.epoch, item.start_s)
            settled = item.settled_s
            if self._info.live:  # a file's answers come in order: what was said before is already in
                settled = min(settled, self._reader.ledger.transcribed_until(item.epoch))
            changes = epoch.hear(item.end_s, settled, item.tags, self._info.has_video)
            if not self._info.has_video:
                self._state = replace(self._state, position_s=item.end_s)
        return changes, epoch

    def _frame_features(self, item: Seen) -> F32 | None:
        """Wait for an answer; ask again where the encoder was lost with the question. None: given up (live only)."""
        answer = item.answer
        try:
            for attempt in range(RETRIES):
                try:
                    features = answered(answer, "encoder")
                    self._lost["not_finite"] += int((~np.isfinite(features).all(axis=1)).sum())
                    return features
                except WatchwordError as error:
                    if not error.retryable or isinstance(error, ServiceSilent) or attempt == RETRIES - 1:
                        raise
                    self._clock.sleep(0.5 * 2**attempt)
                    answer = self._tools.encoder.encode_frames(item.batch.frames)
        except Overloaded:  # only the live hear it
            self._lost["overload"] += len(item.batch.frames)
            self._state = replace(self._state, progress_wall=self._clock.wall())  # it waits, it is not stuck
        except WatchwordError as error:
            if not self._info.live or isinstance(error, ServiceSilent):
                raise
            self._lost["encoder_failed"] += len(item.batch.frames)
            log.warning("frames lost", camera=self._camera.name, code=error.code, error=str(error))
        finally:
            self._reader.taken(item)
            self._stages["encode"].observe(self._clock.monotonic() - item.asked)
        return None

    def _words(self, item: Said) -> tuple[tuple[Utterance, ...], F32]:
        """Wait for a transcript and its features."""
        try:
            said = answered(item.answer, "transcriber")
        except CancelledError:
            raise ServiceLost("the transcriber was closed", "the stream is started again") from None
        except Exception as error:  # boundary: whatever the recogniser raised; a camera's pictures go on without
            if not self._info.live or isinstance(error, ServiceLost):
                raise
            log.warning("speech lost", camera=self._camera.name, error=repr(error))
            said = ()
        finally:
            self._reader.taken(item)
            self._stages["speech"].observe(self._clock.monotonic() - item.asked)
        texts = [u.text for u in said]
        return said, answered(self._tools.encoder.encode_sentences(texts), "encoder")

    def _epoch(self, number: int, start_s: float) -> Epoch:
        """Return an epoch's state; the first item tells where it begins."""
        if number not in self._epochs:
            name = f"{self._info.key}/{number}"
            live = self._info.live
            stands = not live and self._camera.fps != "keyframes"  # between key frames there are others
            reach_s = BRIDGE_S if live else 0.0
            window = ClipWindow(self._camera.hop_s, *self._encoder.dims, reach_s=reach_s, stands=stands)
            self._epochs[number] = Epoch(name, self._watch, self._tools.aligner, window, live)
            self._epochs[number].start_at(start_s)
        return self._epochs[number]

    def _finish(self, number: int) -> None:
        """Close an epoch's spans; a file's only epoch ends where the file says it does."""
        assert self._announcer is not None
        epoch = self._epochs.pop(number, None)
        if epoch is not None:
            end = None if self._info.live or number else self._info.duration_s
            self._announcer.announce(epoch.finish(end), epoch)
