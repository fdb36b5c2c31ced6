"""Requests that come at the same time share one engine: whose windows go into the next batch, and who must wait.

One thread drives the engine, which has the cores to itself. Each request tokenizes and decodes in its own thread,
a group of texts ahead of the engine.
"""

import logging
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from huggingface_ner.engines.layouts import Size
from huggingface_ner.errors import HuggingFaceNERError, UnavailableError
from huggingface_ner.spans import TaggedText
from huggingface_ner.tagging.tagger import PreparedText, Tagger, groups
from huggingface_ner.tagging.windows import Window

TEXTS_PER_GROUP = 256
CHARACTERS_PER_GROUP = 200_000
GROUPS_AHEAD = 2
# So long the engine waits for more, where the last batch had several requests in it.
GATHER_SECONDS = 0.002
# Where windows are padded, a batch of its own costs about as much as so many more tokens: a request whose windows
# would be padded by more, or pad the others by more, does not join. Measured, see bench/README.md.
TOKENS_TO_JOIN = 8
# While others come and go, a large request's batches take no longer: the others wait for the one that runs.
SHARED_BATCH_SECONDS = 0.04
EXPECT_OTHERS_SECONDS = 5.0
# ... but have this share of the engine's budget at least: whatever stalls a batch once must not make all tiny.
MIN_SHARED_BUDGET = 0.25
# How often a request looks whether somebody still waits for its answer.
POLL_INTERVAL = 0.25
# While no more of max_waiting is taken, a request of any size gets in: it would fit no better later.
IDLE_SHARE = 0.1
MAX_RETRY_AFTER = 60.0
STOPPING = "the service is stopping"

logger = logging.getLogger(__name__)


class OverloadedError(UnavailableError):
    """Too many texts wait already; after ``retry_after`` seconds there should be room."""


class ClientGoneError(HuggingFaceNERError):
    """Nobody waits for the answer any more."""


@dataclass(eq=False, slots=True)
class _Group:
    """Texts whose windows are run together; ``done`` is set when all have been, or one failed."""

    texts: list[PreparedText]
    left: int
    done: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    group: _Group
    text: PreparedText
    window: Window

    def __len__(self) -> int:
        return len(self.window.input_ids)


@dataclass(eq=False, slots=True, weakref_slot=True)
class _Job:
    """A request's windows that wait: its groups in order, each with the longest window last."""

    tagger: Tagger
    groups: deque[list[_Item]] = field(default_factory=deque)

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @property
    def longest(self) -> int:
        """The longest window of the first group."""
        return len(self.groups[0][-1])


class Batcher:
    """Tags the texts of several threads at once.

    max_waiting: texts that may wait; more are refused, but a request of any size gets in while few others wait.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []  # those with windows that wait, oldest first
        self._texts = 0
        self._seconds_per_window = 0.0
        # whose windows came first in the last batch; not held, for its model may have gone since
        self._led: weakref.ref[_Job] | None = None
        self._is_shared = False  # whether the last batch had windows of several requests
        self._seconds_per_token = 0.0
        self._others_until = 0.0  # until when others than one large request are to be expected
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many texts are being tagged or wait."""
        return self._texts

    def close(self) -> None:
        """End the thread; what still waits gets an error."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def submit(self, tagger: Tagger, texts: Sequence[str], is_connected: Callable[[], bool]) -> list[TaggedText]:
        """Return each text's spans and score, in order.

        is_connected: whether somebody still waits for the answer; asked now and then.
        Raises OverloadedError, ClientGoneError, RuntimeError after ``close``, and whatever the engine does.
        """
        self._enter(len(texts))
        job = _Job(tagger)
        try:
            tagged: list[TaggedText] = []
            ahead: deque[_Group] = deque()
            for some in groups(texts, TEXTS_PER_GROUP, CHARACTERS_PER_GROUP):
                ahead.append(self._add(job, tagger.prepare(some)))
                if len(ahead) > GROUPS_AHEAD:
                    tagged += self._collect(tagger, ahead.popleft(), is_connected)
            while ahead:
                tagged += self._collect(tagger, ahead.popleft(), is_connected)
            return tagged
        finally:
            self._leave(job, len(texts))

    def _enter(self, texts: int) -> None:
        with self._changed:
            self._check_open()
            if self._texts + texts > self._max_waiting and self._texts > IDLE_SHARE * self._max_waiting:
                seconds = self._texts * self._seconds_per_window
                raise OverloadedError(
                    f"{self._texts} texts wait already, MAX_WAITING_TEXTS={self._max_waiting}; try again later",
                    float(math.ceil(min(max(seconds, 1.0), MAX_RETRY_AFTER))),
                )
            self._texts += texts
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tag", daemon=True)
                self._thread.start()

    def _leave(self, job: _Job, texts: int) -> None:
        with self._changed:
            self._texts -= texts
            if job in self._jobs:  # it failed, or nobody wants it any more
                self._jobs.remove(job)

    def _add(self, job: _Job, texts: list[PreparedText]) -> _Group:
        group = _Group(texts, sum(len(text.windows) for text in texts))
        items = [_Item(group, text, window) for text in texts for window in text.windows]
        if not items:
            group.done.set()
            return group
        items.sort(key=len)
        with self._changed:
            self._check_open()
            if not job.groups:
                self._jobs.append(job)
            job.groups.append(items)
            self._changed.notify_all()
        return group

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(STOPPING)

    def _collect(self, tagger: Tagger, group: _Group, is_connected: Callable[[], bool]) -> list[TaggedText]:
        while True:
            if not is_connected():
                raise ClientGoneError("the client has hung up")
            if group.done.wait(POLL_INTERVAL):
                break
        if group.error is not None:
            raise group.error
        return [tagger.finish(text) for text in group.texts]

    def _run(self) -> None:
        while self._wait_for_jobs():
            self._run_batch()  # whose model is not held while nothing is to do
        with self._changed:
            for job in self._jobs:
                _fail(job.groups[0], RuntimeError(STOPPING))

    def _wait_for_jobs(self) -> bool:
        """Wait until windows wait; False after ``close``."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if self._is_shared and len(self._jobs) == 1:
                self._changed.wait(GATHER_SECONDS)
            return not self._closed

    def _run_batch(self) -> None:
        with self._changed:
            if not self._jobs:  # who waited has gone meanwhile
                return
            tagger, batch = self._next_batch()
        started = time.monotonic()
        try:
            rows = tagger.run([item.window for item in batch])
            for item, row in zip(batch, rows, strict=True):
                item.text.take(item.window, row)
        except Exception as error:  # those whose windows these are answer with it
            _fail(batch, error)
            return
        seconds = time.monotonic() - started
        self._seconds_per_window = _averaged(self._seconds_per_window, seconds / len(batch))
        tokens = tagger.tokens(_size(batch))
        self._seconds_per_token = _averaged(self._seconds_per_token, seconds / tokens)
        for item in batch:
            item.group.left -= 1
            if not item.group.left:
                item.group.done.set()

    def _next_batch(self) -> tuple[Tagger, list[_Item]]:
        """Take the windows that are run next, under the engine's token budget.

        The oldest request and the others have every second batch each, so that neither a large request keeps
        small ones waiting nor many small ones a large one. Among the others the smallest comes first. What is left
        of the budget goes to requests that fit in whole and, where windows are padded, have some of about the same
        length.
        """
        first, *others = self._jobs
        if others:
            self._others_until = time.monotonic() + EXPECT_OTHERS_SECONDS
            if self._led is not None and self._led() is first:
                first = min(others, key=len)
        self._led, tagger, group = weakref.ref(first), first.tagger, first.groups[0]
        budget = self._budget(tagger)
        batch: list[_Item] = []
        size = Size()
        while group and (not batch or tagger.tokens(size.plus(_size(group[-1:]))) <= budget):
            size = size.plus(_size(group[-1:]))
            batch.append(group.pop())
        if not group:
            first.groups.popleft()
        requests, longest = 1, size.longest
        rest = [job for job in self._jobs if job is not first and job.tagger is tagger and len(job.groups) == 1]
        for job in sorted(rest, key=lambda job: (len(job), abs(job.longest - longest))):
            more = _size(job.groups[0])
            apart = tagger.tokens(size) + tagger.tokens(more)
            if tagger.tokens(size.plus(more)) <= min(tagger.tokens_per_batch, apart + TOKENS_TO_JOIN):
                batch += job.groups.popleft()
                size = size.plus(more)
                requests += 1
        self._jobs = [job for job in self._jobs if job.groups]
        self._is_shared = requests > 1
        return tagger, batch

    def _budget(self, tagger: Tagger) -> int:
        """Return how many tokens, padding included, one request may have of a batch."""
        most = tagger.tokens_per_batch
        if time.monotonic() > self._others_until or not self._seconds_per_token:
            return most
        shared = int(SHARED_BATCH_SECONDS / self._seconds_per_token)
        return min(max(shared, int(MIN_SHARED_BUDGET * most)), most)


def _size(items: Sequence[_Item]) -> Size:
    return Size.of([len(item) for item in items])


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        item.group.error = error
        item.group.done.set()


def _averaged(average: float, value: float) -> float:
    """Return a moving average after one more value; 0.0: there was none."""
    return average + 0.1 * (value - average) if average else value
