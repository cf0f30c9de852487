"""What one stream decides on, item by item: rounded to what the index stores, and sent there in batches."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import structlog

from alignment.errors import WatchwordError
from workers.audio.analyser import AudioAnalyser
from workers.clock import Clock
from workers.decisions.stream_rules import StreamRules
from workers.index.packing import packed, sizes, unpacked_item
from workers.index.records import Part, part_to_bytes
from workers.index.tables import Columns, item_spans, joined
from workers.index.types import StoredFile, TapeBatch, TapeInfo
from workers.items import FrameAnswer, StreamItem
from workers.services.clients import EncoderDescription, StateClient
from workers.sources.url import parse_target
from workers.stream.thumbnails import Thumbnails
from workers.types import CameraSpec, SourceInfo

BATCH_S = 2.0
BATCH_ITEMS = 500  # a file has so many in seconds
MOST_WAITING = 2000  # items of a live stream that wait for the state service: about ten minutes
CHANGE_S, END_S = 1.0, 10.0  # how long a response is waited for: when what is recorded changes, and at the end
AGAIN_S = 0.1

log = structlog.get_logger()


def tape_info(
    camera: CameraSpec, info: SourceInfo, encoder: EncoderDescription, rules: StreamRules, recorded: float
) -> TapeInfo:
    """Return what the items of a stream have in common; ``recorded``: Unix seconds when it began."""
    tags, transcribes = _listens(rules.analyser)
    target = parse_target(camera.url)
    file = StoredFile(camera.upload or target.name, Path(target.name).name) if target.kind == "file" else None
    return TapeInfo(
        camera.name,
        info.key,
        info.live,
        encoder.info.id,
        camera.hop_s,
        encoder.dims,
        info.has_video,
        info.has_audio,
        recorded,
        info.width,
        info.height,
        info.duration_s,
        keyframes=camera.fps == "keyframes",
        detects=rules.rule_set.detects and rules.order.services.detector is not None,
        tags=tags,
        transcribes=transcribes,
        zones=rules.rule_set.zones,
        file=file,
    )


class Tape:
    """Records one stream. For one thread. Without ``state`` it only rounds.

    Nobody waits for a live stream's batches: where one cannot be taken, its items are lost, which their numbers show. A
    file waits for each, and loses none.
    """

    def __init__(
        self, state: StateClient | None, info: TapeInfo, clock: Clock, thumbnails: Thumbnails | None = None
    ) -> None:
        self.lost = 0  # items that could not be sent
        self._state, self._info, self._clock, self._thumbnails = state, info, clock, thumbnails
        self._waiting: list[Columns] = []
        self._first = 0  # number of the first that waits
        self._sent_at = clock.monotonic()
        self._at = clock.wall() if info.live else 0.0  # stream second that was reached
        self._response: tuple[Future[bool], TapeBatch] | None = None  # to the last batch

    def take(self, item: StreamItem, behind: bool = False) -> StreamItem:
        """Return an item as it shall be decided, and record it. ``behind``: see ``FrameAnswer``."""
        if isinstance(item, FrameAnswer):
            item = replace(item, behind=behind)
            self._see(item)
        columns = packed(item)
        if self._state is not None:
            if self._thumbnails is not None and isinstance(item, FrameAnswer):
                columns |= self._thumbnails.of(item)
            self._waiting.append(columns)
            due = self._clock.monotonic() - self._sent_at >= BATCH_S
            if due or len(self._waiting) >= BATCH_ITEMS:
                self._send()
        return unpacked_item(columns, self._info)

    def follow(self, analyser: AudioAnalyser | None) -> None:
        """Say from now on whether somebody listens for sounds and for speech."""
        tags, transcribes = _listens(analyser)
        self._change(replace(self._info, tags=tags, transcribes=transcribes))

    def finish(self) -> None:
        """Send the rest; the stream has ended."""
        if self._state is not None:
            self._settle(END_S)
            self._send(last=True)
            self._settle(END_S)

    def _see(self, item: FrameAnswer) -> None:
        """Follow a change of what is looked for in frames; those that were requested before it came without."""
        zones = tuple(zone.areas for zone in item.zones)
        self._change(replace(self._info, detects=item.detections is not None, zones=zones))

    def _change(self, info: TapeInfo) -> None:
        if info != self._info:
            if self._waiting:
                self._settle(CHANGE_S)
                self._send()
            self._info = info

    def _send(self, last: bool = False) -> None:
        """Send what waits. Of a live stream it waits on while an earlier batch is on its way."""
        assert self._state is not None
        self._settle(0.0)
        if self._response is not None and not last:
            if len(self._waiting) >= MOST_WAITING:
                self.lost += len(self._waiting)
                self._clear()
            return
        batch = self._batch(last)
        self._clear()
        self._response = self._state.record(batch), batch
        while not (self._info.live or self._settle(END_S)):
            self._clock.sleep(AGAIN_S)
            self._response = self._state.record(batch), batch

    def _settle(self, timeout_s: float) -> bool:
        """Wait for the response to the last batch; return False if the batch was refused."""
        if self._response is None:
            return True
        response, batch = self._response
        try:
            taken = response.result(timeout_s)
        except TimeoutError:
            return True
        except WatchwordError as error:
            log.warning("the index could not be written", camera=batch.info.camera, code=error.code, error=str(error))
            self.lost += batch.count
            taken = True
        self._response = None
        if not taken and batch.info.live:
            self.lost += batch.count
        return taken

    def _batch(self, last: bool) -> TapeBatch:
        """Return what waits as a batch."""
        columns = joined(self._waiting, sizes(self._info))
        times = item_spans(columns)
        times = times[np.isfinite(times[:, 0])]
        start, end = (float(times[:, 0].min()), float(times[:, 1].max())) if len(times) else (self._at, self._at)
        self._at = end
        payload = part_to_bytes(Part(self._first, columns))
        return TapeBatch(self._info, payload, self._first, len(self._waiting), start, end, last)

    def _clear(self) -> None:
        self._first += len(self._waiting)
        self._waiting.clear()
        self._sent_at = self._clock.monotonic()


def _listens(analyser: AudioAnalyser | None) -> tuple[bool, bool]:
    """Return whether somebody listens for sounds, and for speech."""
    return (analyser.tags, analyser.transcribes) if analyser else (False, False)
