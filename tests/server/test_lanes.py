"""Requests in lanes whose threads are all busy."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from huggingface_ner.server import lanes
from huggingface_ner.server.lanes import BULK_BYTES, LaneFullError, Lanes
from tests.server import event_loop

Body = Callable[[Lanes, "Busy"], Awaitable[None]]


class Busy:
    """Calls that last until ``end`` is set."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.started = 0

    def __call__(self) -> str:
        self.started += 1
        assert self.end.wait(60)
        return "done"


def run(body: Body, threads: int = 4) -> None:
    async def all_of_it() -> None:
        busy = Busy()
        try:
            await asyncio.wait_for(body(Lanes(threads), busy), 60)
        finally:
            busy.end.set()

    event_loop.run(all_of_it())


async def started(busy: Busy, number: int) -> None:
    while busy.started < number:
        await asyncio.sleep(0.01)


def test_predictions_hold_up_no_other_request() -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        predictions = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(100)]
        await started(busy, 4)
        for path in ("/", "/health", "/ready", "/setup", "/webhook", "/training", "/metrics", "/versions", "/x"):
            assert await some.run(path, 10, lambda: "answered") == "answered"
        assert busy.started == 4, "predictions take only their own threads"
        busy.end.set()
        assert await asyncio.gather(*predictions) == ["done"] * 100

    run(body)


@pytest.mark.parametrize("path", ["/", "/setup", "/webhook", "/training"])
def test_a_lane_that_is_stuck_holds_up_no_probe(path: str) -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        stuck = [asyncio.create_task(some.run(path, 10, busy)) for _ in range(20)]
        await started(busy, lanes.SHORT_THREADS)
        assert await some.run("/health", 0, lambda: "answered") == "answered"
        busy.end.set()
        await asyncio.gather(*stuck)

    run(body)


def test_bulk_requests_leave_threads_to_annotators() -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        bulk = [asyncio.create_task(some.run("/predict", BULK_BYTES + 1, busy)) for _ in range(10)]
        await started(busy, 2)
        assert await some.run("/predict", 10, lambda: "answered") == "answered"
        assert busy.started == 2
        busy.end.set()
        assert await asyncio.gather(*bulk) == ["done"] * 10

    run(body)


def test_with_one_thread_bulk_requests_are_answered_too() -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        busy.end.set()
        assert await some.run("/predict", BULK_BYTES + 1, busy) == "done"

    run(body, threads=1)


def test_too_many_requests_are_refused_until_a_later_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 2)

    async def body(some: Lanes, busy: Busy) -> None:
        running = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(4)]
        await started(busy, 4)
        waiting = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(LaneFullError, match="2 predictions wait already") as refusal:
            await some.run("/predict", 10, busy)
        assert refusal.value.retry_after >= 1
        busy.end.set()
        await asyncio.gather(*running, *waiting)
        assert await some.run("/predict", 10, busy) == "done"

    run(body)


@pytest.mark.parametrize("size", [10, BULK_BYTES + 1])
def test_a_request_that_waits_too_long_is_refused(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_WAIT", 0.05)

    async def body(some: Lanes, busy: Busy) -> None:
        running = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(4)]
        await started(busy, 4)
        for _ in range(5):
            with pytest.raises(LaneFullError, match="no thread was free") as refusal:
                await some.run("/predict", size, busy)
            assert refusal.value.retry_after >= 1
        busy.end.set()
        await asyncio.gather(*running)
        assert [await some.run("/predict", size, busy) for _ in range(5)] == ["done"] * 5, (
            "all threads are free again"
        )

    run(body)


def test_a_cancelled_request_gets_no_thread() -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        running = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(4)]
        await started(busy, 4)
        waiting = asyncio.create_task(some.run("/predict", 10, busy))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        after = asyncio.create_task(some.run("/predict", 10, lambda: "answered"))
        busy.end.set()
        await asyncio.gather(*running)
        assert await after == "answered"
        assert busy.started == 4

    run(body)


def test_a_thread_is_taken_until_its_call_ends_even_if_the_request_is_cancelled() -> None:
    async def body(some: Lanes, busy: Busy) -> None:
        running = [asyncio.create_task(some.run("/predict", 10, busy)) for _ in range(4)]
        await started(busy, 4)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        after = asyncio.create_task(some.run("/predict", 10, busy))
        for _ in range(20):
            await asyncio.sleep(0)
        assert busy.started == 4
        busy.end.set()
        assert await after == "done"

    run(body)
