"""The threads that answer requests. Each kind of request has its own threads, called a lane.

So one kind of request, for example many long predictions, never delays another kind.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TypeVar

from huggingface_ner.errors import UnavailableError

# Number of threads of each lane except the predictions' lane. Requests in these lanes wait for Redis, a disk or a
# model.
SHORT_THREADS = 4
# Maximum number of requests of a lane that wait for a thread, and maximum number of seconds that a request waits.
# Label Studio waits 100 seconds for a prediction.
MAX_WAITING = 1_000
MAX_WAIT = 30.0
# Requests for predictions whose bodies have more than BULK_BYTES bytes get at most BULK_SHARE of the threads. The
# other threads are kept free for annotators.
BULK_BYTES = 64_000
BULK_SHARE = 0.5
# Seconds after which a refused request may be sent again.
RETRY_AFTER = 5.0

Answer = TypeVar("Answer")


class LaneFullError(UnavailableError):
    """Too many requests of one kind are waiting."""


class Lane:
    """Threads for one kind of request, and the requests that wait for them. Used by one event loop.

    name: the kind of requests, in the plural; used for thread names and in refusals.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._waiting = 0
        self._free = asyncio.Semaphore(threads)
        self._free_for_bulk = asyncio.Semaphore(math.ceil(BULK_SHARE * threads))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, answer: Callable[[], Answer], *, is_bulk: bool) -> Answer:
        """Call ``answer`` in a thread and return its result; raises LaneFullError.

        If this is cancelled before a thread is free, ``answer`` is not called.
        """
        if self._waiting >= MAX_WAITING:
            raise LaneFullError(f"{self._waiting} {self._name} wait already; try again later", RETRY_AFTER)
        needed = (self._free_for_bulk, self._free) if is_bulk else (self._free,)
        with ExitStack() as taken:
            self._waiting += 1
            try:
                # a timer costs time, and most requests need not wait
                async with asyncio.timeout(MAX_WAIT if any(free.locked() for free in needed) else None):
                    for free in needed:
                        await free.acquire()
                        taken.callback(free.release)
            except TimeoutError:
                message = f"no thread was free for {MAX_WAIT:.0f} seconds: too many {self._name}; try again later"
                raise LaneFullError(message, RETRY_AFTER) from None
            finally:
                self._waiting -= 1
            return await self._run_in_thread(answer, taken.pop_all())

    async def _run_in_thread(self, answer: Callable[[], Answer], taken: ExitStack) -> Answer:
        """Call ``answer`` in a thread; ``taken`` is released when the call ends, even if nobody waits for it."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()

        def end(called: Future[Answer]) -> None:
            taken.close()
            if answered.cancelled():
                return
            error = called.exception()
            if error is None:
                answered.set_result(called.result())
            else:
                answered.set_exception(error)

        def wake(called: Future[Answer]) -> None:
            with suppress(RuntimeError):  # the loop is closed because the process ends
                loop.call_soon_threadsafe(end, called)

        self._threads.submit(answer).add_done_callback(wake)
        return await answered


class Lanes:
    """A lane for each kind of request.

    threads: the number of threads of the predictions' lane.
    """

    def __init__(self, threads: int) -> None:
        self._predictions = Lane("predictions", threads)
        self._pages = Lane("requests for pages", SHORT_THREADS)
        probes = Lane("probes", SHORT_THREADS)
        self._lanes = {
            "/predict": self._predictions,
            # for browsers, "/" is a page, which waits for Redis
            "/": self._pages,
            "/health": probes,
            "/ready": probes,
            "/setup": Lane("setups", SHORT_THREADS),
            "/webhook": Lane("webhooks", SHORT_THREADS),
        }

    async def run(self, path: str, size: int, answer: Callable[[], Answer]) -> Answer:
        """Call ``answer`` in a thread of the path's lane; raises LaneFullError.

        size: the size of the request's body, in bytes.
        """
        lane = self._lanes.get(path, self._pages)
        return await lane.run(answer, is_bulk=lane is self._predictions and size > BULK_BYTES)
