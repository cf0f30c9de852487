"""The batcher against an encoder that waits for the test: nothing depends on the machine's speed."""

import threading
import time
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
import pytest

from alignment.errors import FeatureError
from tests.support.clocks import FakeClock
from workers.errors import ModelUnavailable, Overloaded
from workers.services.batcher import FrameBatcher
from workers.services.scheduler import LATE_S, MAX_PASS_S, RequestContext

LONG_S = 30.0  # a wait that a test would notice
DOOR, YARD = RequestContext("door", (9, 5), live=True), RequestContext("yard", (1, 5), live=True)


def _frames(count: int, value: int = 0, size: int = 2) -> np.ndarray:
    return np.full((count, size, size, 3), value, np.uint8)


def _mean_rows(frames: np.ndarray) -> np.ndarray:
    """Give each frame its own mean and its batch's size, so that a row tells where it came from."""
    means = frames.reshape(len(frames), -1).mean(axis=1)
    return np.stack([means, np.full(len(frames), len(frames))], axis=1).astype(np.float32)


class Gate:
    """An encoder whose first call blocks until opened, so that a test can fill the queue behind it."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        self.sizes.append(len(frames))
        self.entered.set()
        assert self.open.wait(LONG_S)
        return _mean_rows(frames)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def _blocked(gate: Gate, **settings: Any) -> tuple[FrameBatcher, "Future[np.ndarray]"]:
    """Return a batcher whose thread is inside the encoder with one frame."""
    batcher = FrameBatcher(gate, **{"max_wait_s": 0.0} | settings)
    first = batcher.submit(_frames(1))
    assert gate.entered.wait(LONG_S)
    return batcher, first


def test_waiting_requests_of_many_streams_share_a_batch_and_get_their_own_rows(gate: Gate) -> None:
    batcher, _ = _blocked(gate)
    futures = [batcher.submit(_frames(count, value)) for count, value in ((3, 10), (5, 20), (2, 30))]
    assert batcher.snapshot().queue_depth == 3
    gate.open.set()
    results = [f.result(LONG_S) for f in futures]
    assert [r.shape for r in results] == [(3, 2), (5, 2), (2, 2)]
    assert [set(r[:, 0]) for r in results] == [{10.0}, {20.0}, {30.0}]
    assert gate.sizes == [1, 10]
    assert batcher.close(LONG_S)


def test_the_snapshot_tells_how_long_the_pass_in_hand_has_taken(gate: Gate) -> None:
    clock = FakeClock()
    batcher, first = _blocked(gate, clock=clock)
    clock.sleep(7.0)
    assert batcher.snapshot().in_flight_s == 7.0
    gate.open.set()
    first.result(LONG_S)
    batcher.call(lambda: clock.sleep(5.0)).result(LONG_S)  # the next thing that its thread does
    assert batcher.close(LONG_S)
    assert batcher.snapshot().in_flight_s == 0.0


def test_a_batch_never_grows_beyond_its_limit_and_order_is_kept(gate: Gate) -> None:
    batcher, _ = _blocked(gate, max_frames=8)
    futures = [batcher.submit(_frames(n)) for n in (5, 3, 4, 5, 1)]
    gate.open.set()
    wait(futures, LONG_S)
    # 5+3 fill a batch; the 5 behind the 4 does not fit and waits, although the 1 behind it would fit.
    assert gate.sizes == [1, 8, 4, 6]
    assert batcher.snapshot().batches == {1: 1, 8: 1, 4: 1, 6: 1}
    assert batcher.close(LONG_S)


def test_a_request_larger_than_the_limit_goes_alone(gate: Gate) -> None:
    batcher, _ = _blocked(gate, max_frames=4)
    futures = [batcher.submit(_frames(n)) for n in (2, 11, 2)]
    gate.open.set()
    assert [len(f.result(LONG_S)) for f in futures] == [2, 11, 2]
    assert gate.sizes == [1, 2, 11, 2]
    assert batcher.close(LONG_S)


def test_frames_of_one_size_share_a_batch_although_others_came_in_between(gate: Gate) -> None:
    shapes: list[tuple[int, ...]] = []

    def encode(frames: np.ndarray) -> np.ndarray:
        shapes.append(frames.shape[:3])
        return gate(frames)

    batcher = FrameBatcher(encode, max_frames=3, max_wait_s=LONG_S)
    first = batcher.submit(_frames(1))
    batcher.submit(_frames(1, size=9))
    assert gate.entered.wait(LONG_S), "a request of another size ends the wait for company"
    futures = [batcher.submit(_frames(1, value, size)) for value, size in ((1, 2), (2, 9), (3, 2), (4, 9), (5, 2))]
    gate.open.set()
    assert [f.result(LONG_S)[0, 0] for f in (first, *futures)] == [0, 1, 2, 3, 4, 5]
    assert sorted(shapes) == [(1, 2, 2), (3, 2, 2), (3, 9, 9)]
    assert batcher.close(LONG_S)


def test_the_first_request_waits_for_company(gate: Gate) -> None:
    gate.open.set()
    batcher = FrameBatcher(gate, max_frames=4, max_wait_s=LONG_S)
    first = batcher.submit(_frames(3))
    second = batcher.submit(_frames(1))  # fills the batch: nobody waits for the deadline
    assert len(first.result(LONG_S / 2)) == 3
    assert len(second.result(LONG_S / 2)) == 1
    assert gate.sizes == [4]
    assert batcher.close(LONG_S)


def test_company_that_does_not_come_is_not_waited_for_long(gate: Gate) -> None:
    gate.open.set()
    batcher = FrameBatcher(gate, max_wait_s=0.01)
    assert len(batcher.submit(_frames(3)).result(LONG_S)) == 3
    assert batcher.close(LONG_S)


def test_an_error_goes_to_its_batch_only() -> None:
    def encode(frames: np.ndarray) -> np.ndarray:
        if frames.max() == 255:
            raise RuntimeError("out of memory")
        return _mean_rows(frames)

    batcher = FrameBatcher(encode, max_wait_s=0.0)
    before = batcher.submit(_frames(2, 1))
    assert len(before.result(LONG_S)) == 2
    failing = batcher.submit(_frames(1, 255))
    with pytest.raises(RuntimeError, match="out of memory"):
        failing.result(LONG_S)
    assert len(batcher.submit(_frames(3, 2)).result(LONG_S)) == 3
    seen = batcher.snapshot()
    assert seen.batches == {2: 1, 1: 1, 3: 1}
    assert batcher.close(LONG_S)


def test_all_requests_of_a_failing_batch_fail(gate: Gate) -> None:
    class Broken(Gate):
        def __call__(self, frames: np.ndarray) -> np.ndarray:
            super().__call__(frames)
            raise ValueError("no rows today")

    broken = Broken()
    batcher, first = _blocked(broken)
    futures = [batcher.submit(_frames(2)), batcher.submit(_frames(2))]
    broken.open.set()
    for future in (first, *futures):
        with pytest.raises(ValueError, match="no rows today"):
            future.result(LONG_S)
    assert broken.sizes == [1, 4]
    assert batcher.close(LONG_S)


def test_frames_of_another_size_do_not_spoil_their_neighbours(gate: Gate) -> None:
    batcher, _ = _blocked(gate)
    futures = [batcher.submit(_frames(2)), batcher.submit(_frames(2, size=4)), batcher.submit(_frames(1))]
    gate.open.set()
    assert [len(f.result(LONG_S)) for f in futures] == [2, 2, 1]
    assert gate.sizes == [1, 3, 2]
    assert batcher.close(LONG_S)


def test_an_encoder_that_loses_rows_is_found_out() -> None:
    batcher = FrameBatcher(lambda frames: _mean_rows(frames)[:-1], max_wait_s=0.0)
    with pytest.raises(FeatureError, match="2 rows for 3 frames"):
        batcher.submit(_frames(3)).result(LONG_S)
    assert batcher.close(LONG_S)


def test_calls_run_on_the_encoders_thread_in_their_turn(gate: Gate) -> None:
    batcher, _ = _blocked(gate)
    order: list[str] = []
    batcher.submit(_frames(1)).add_done_callback(lambda f: order.append("frames"))
    text = batcher.call(lambda: (order.append("text"), threading.current_thread().name)[1])
    batcher.submit(_frames(1)).add_done_callback(lambda f: order.append("later frames"))
    gate.open.set()
    assert text.result(LONG_S) == "encoder"
    assert batcher.close(LONG_S)
    assert order == ["frames", "text", "later frames"]
    assert gate.sizes == [1, 1, 1], "a text between them keeps two requests apart"


def test_an_error_in_a_call_reaches_its_caller() -> None:
    batcher = FrameBatcher(_mean_rows)
    with pytest.raises(ZeroDivisionError):
        batcher.call(lambda: 1 / 0).result(LONG_S)
    assert batcher.call(lambda: 7).result(LONG_S) == 7
    assert batcher.close(LONG_S)


def test_a_cancelled_request_is_left_out(gate: Gate) -> None:
    batcher, _ = _blocked(gate)
    kept, dropped = batcher.submit(_frames(2)), batcher.submit(_frames(9))
    text = batcher.call(lambda: pytest.fail("was cancelled"))
    assert dropped.cancel()
    assert text.cancel()
    gate.open.set()
    assert len(kept.result(LONG_S)) == 2
    assert batcher.close(LONG_S)
    assert gate.sizes == [1, 2]


def test_closing_finishes_what_was_submitted_and_refuses_the_rest(gate: Gate) -> None:
    batcher, first = _blocked(gate, max_frames=2)
    futures = [first, *(batcher.submit(_frames(2)) for _ in range(3))]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.open.set()
    closing.join(LONG_S)
    assert [len(f.result(0)) for f in futures] == [1, 2, 2, 2]
    with pytest.raises(ModelUnavailable, match="closed"):
        batcher.submit(_frames(1))
    assert batcher.close(0.1), "closing twice is harmless"


def test_closing_in_the_middle_of_a_batch_ends_it_at_once(gate: Gate) -> None:
    gate.open.set()
    batcher = FrameBatcher(gate, max_wait_s=LONG_S)
    future = batcher.submit(_frames(1))
    assert batcher.close(LONG_S / 2), "closing must not wait for company"
    assert len(future.result(0)) == 1


def test_close_says_when_the_model_hangs(gate: Gate) -> None:
    batcher, _ = _blocked(gate)
    assert not batcher.close(0.01)
    gate.open.set()
    assert batcher.close(LONG_S)


def test_many_threads_at_once_lose_nothing() -> None:
    batcher = FrameBatcher(_mean_rows, max_frames=16, max_wait_s=0.001)
    wrong: list[int] = []

    def stream(value: int) -> None:
        for _ in range(50):
            rows = batcher.submit(_frames(3, value)).result(LONG_S)
            if rows.shape != (3, 2) or set(rows[:, 0]) != {float(value)}:
                wrong.append(value)

    threads = [threading.Thread(target=stream, args=(v,)) for v in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    seen = batcher.snapshot()
    assert batcher.close(LONG_S)
    assert not wrong
    assert sum(size * n for size, n in seen.batches.items()) == 8 * 50 * 3
    assert max(seen.batches) > 3, "streams must have shared a batch"


def test_the_important_camera_is_looked_at_first_then_the_others_then_the_file(gate: Gate) -> None:
    batcher, _ = _blocked(gate, max_frames=1, clock=FakeClock())
    order: list[str] = []
    for name, turn in (("file", RequestContext("file", (9, 9))), ("yard", YARD), ("door", DOOR)):
        batcher.submit(_frames(1), turn).add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]  # a default binds the loop's value
    gate.open.set()
    assert batcher.close(LONG_S)
    assert order == ["door", "yard", "file"]


def test_a_live_frame_that_others_were_preferred_to_for_too_long_is_shed() -> None:
    clock, entered, go = FakeClock(), threading.Semaphore(0), threading.Semaphore(0)

    def encode(frames: np.ndarray) -> np.ndarray:
        entered.release()
        assert go.acquire(timeout=LONG_S)
        clock.sleep(LATE_S / 2)
        return _mean_rows(frames)

    batcher = FrameBatcher(encode, max_frames=1, max_wait_s=0.0, clock=clock)
    first = batcher.submit(_frames(1), DOOR)
    assert entered.acquire(timeout=LONG_S)
    yard, file = batcher.submit(_frames(1), YARD), batcher.submit(_frames(1))
    door = [batcher.submit(_frames(1), DOOR) for _ in range(2)]
    go.release(5)
    with pytest.raises(Overloaded):
        yard.result(LONG_S)
    assert [len(f.result(LONG_S)) for f in (first, *door, file)] == [1, 1, 1, 1]
    assert batcher.close(LONG_S)
    assert batcher.snapshot().batches == {1: 4}


def test_beside_live_streams_a_pass_is_short_and_a_files_request_goes_in_parts() -> None:
    sizes: list[int] = []

    def encode(frames: np.ndarray) -> np.ndarray:
        sizes.append(len(frames))
        time.sleep(len(frames) * MAX_PASS_S / 3.5)
        return _mean_rows(frames)

    batcher = FrameBatcher(encode, max_wait_s=0.0)
    batcher.submit(_frames(1), DOOR).result(LONG_S)
    values = np.repeat(np.arange(16, dtype=np.uint8), 12).reshape(16, 2, 2, 3)
    rows = batcher.submit(values).result(LONG_S)
    assert rows[:, 0].tolist() == list(range(16)), "every row, in order"
    assert sum(sizes) == 17
    assert max(sizes) <= 3
    assert batcher.close(LONG_S)


def test_a_request_whose_first_part_failed_is_not_worked_on_any_further() -> None:
    calls: list[int] = []

    def encode(frames: np.ndarray) -> np.ndarray:
        calls.append(len(frames))
        time.sleep(MAX_PASS_S)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return _mean_rows(frames)

    batcher = FrameBatcher(encode, max_wait_s=0.0)
    batcher.submit(_frames(1), DOOR).result(LONG_S)
    with pytest.raises(RuntimeError, match="out of memory"):
        batcher.submit(_frames(5)).result(LONG_S)
    assert len(batcher.submit(_frames(1), DOOR).result(LONG_S)) == 1
    assert batcher.close(LONG_S)
    assert calls == [1, 1, 1]


def test_frames_with_zones_share_a_batch_with_others_and_have_a_row_for_each_zone(gate: Gate) -> None:
    left, right = (((0.0, 0.0), (0.5, 0.0), (0.0, 1.0)),), (((1.0, 0.0), (0.5, 0.0), (1.0, 1.0)),)

    def with_zones(frames: np.ndarray, zones: Any) -> np.ndarray:
        rows = _mean_rows(frames)
        return np.stack(
            [row + np.array([n / 10, 0]) for row, own in zip(rows, zones, strict=True) for n in range(1 + len(own))]
        )

    batcher, first = _blocked(gate, encode_zones=with_zones)
    plain = batcher.submit(_frames(2, 10))
    zoned = batcher.submit(_frames(2, 20), zones=(left, right))
    other = batcher.submit(_frames(1, 30), zones=(left,))
    gate.open.set()
    wait([first, plain, zoned, other], LONG_S)
    assert plain.result()[:, 0].tolist() == [10, 10]
    assert zoned.result()[:, 0] == pytest.approx([20, 20.1, 20.2, 20, 20.1, 20.2])
    assert other.result()[:, 0] == pytest.approx([30, 30.1])
    assert {int(r) for f in (plain, zoned, other) for r in f.result()[:, 1]} == {5}
    assert batcher.snapshot().batches == {1: 1, 5: 1}
    assert batcher.close(LONG_S)
