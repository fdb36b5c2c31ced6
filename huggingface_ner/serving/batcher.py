"""Runs the texts of concurrent requests, one batch at a time; if too many texts wait, requests are refused.

One thread runs the engines of all models, so that each batch has the cores to itself. Each request tokenizes and
decodes its texts in its own thread, and tokenizes GROUPS_AHEAD groups of texts ahead of the engine.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from huggingface_ner.engines.layouts import Size
from huggingface_ner.errors import ClientGoneError, UnavailableError
from huggingface_ner.serving.batch_policy import BatchPolicy, WaitingRequest, moving_average
from huggingface_ner.spans import TaggedText
from huggingface_ner.tagging.tagger import PreparedText, Tagger, groups
from huggingface_ner.tagging.windows import Window

TEXTS_PER_GROUP = 64
CHARACTERS_PER_GROUP = 200_000
GROUPS_AHEAD = 2
# Seconds that the engine waits for more requests if the last batch had windows of several requests.
GATHER_SECONDS = 0.002
# Seconds between two checks whether a request's client is still connected.
POLL_INTERVAL = 0.25
# A request of any size is accepted while the number of waiting texts is at most this share of max_waiting.
# Without this, a request of more than max_waiting texts would always be refused.
IDLE_SHARE = 0.1
MAX_RETRY_AFTER = 60.0
# Seconds after which a request is refused if it is not tagged yet and others wait beside it. With the 30 seconds
# for which it may have waited for a thread, this is less than the 100 seconds after which Label Studio hangs up.
MAX_SECONDS_BESIDE_OTHERS = 60.0
STOPPING = "the service is stopping"

logger = logging.getLogger(__name__)


class OverloadedError(UnavailableError):
    """Too many texts are waiting; there should be room after ``retry_after`` seconds."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who waits for a request: how many texts it has, until when it may wait, and whether it is connected."""

    texts: int
    until: float
    is_connected: Callable[[], bool]


@dataclass(eq=False, slots=True)
class _Group:
    """Texts that are tagged together; ``done`` is set when all their windows have been run or one has failed."""

    tagger: Tagger
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


class Batcher:
    """Tags the texts of several threads together.

    max_waiting: how many texts may wait. A request beyond this is refused, unless few texts wait; see IDLE_SHARE.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._requests: list[WaitingRequest[_Item]] = []  # with waiting windows, oldest first
        self._policy = BatchPolicy()
        self._texts = 0
        self.refused = 0  # how many texts were refused so far
        self._seconds_per_window = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many texts are being tagged or wait."""
        return self._texts

    def close(self) -> None:
        """End the thread; requests that still wait get an error."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def submit(self, tagger: Tagger, texts: Sequence[str], is_connected: Callable[[], bool]) -> list[TaggedText]:
        """Return each text's spans and score, in order.

        is_connected: returns whether the client is still connected; called every POLL_INTERVAL.
        Raises OverloadedError at once or later, ClientGoneError, RuntimeError after ``close``, and any exception
        of the engine.
        """
        self._enter(len(texts))
        caller = _Caller(len(texts), time.monotonic() + MAX_SECONDS_BESIDE_OTHERS, is_connected)
        request: WaitingRequest[_Item] = WaitingRequest(tagger)
        try:
            tagged: list[TaggedText] = []
            ahead: deque[_Group] = deque()
            for some in groups(texts, TEXTS_PER_GROUP, CHARACTERS_PER_GROUP):
                ahead.append(self._add(request, tagger, tagger.prepare(some)))
                if len(ahead) > GROUPS_AHEAD:
                    tagged += self._collect(tagger, ahead.popleft(), caller)
            while ahead:
                tagged += self._collect(tagger, ahead.popleft(), caller)
            return tagged
        finally:
            self._leave(request, len(texts))

    def _enter(self, texts: int) -> None:
        with self._changed:
            self._check_open()
            if self._texts + texts > self._max_waiting and self._texts > IDLE_SHARE * self._max_waiting:
                raise self._refusal(
                    texts, f"{self._texts} texts wait already, MAX_WAITING_TEXTS={self._max_waiting}"
                )
            self._texts += texts
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tag", daemon=True)
                self._thread.start()

    def _refusal(self, texts: int, reason: str) -> OverloadedError:
        self.refused += texts
        seconds = self._texts * self._seconds_per_window
        retry_after = float(math.ceil(min(max(seconds, 1.0), MAX_RETRY_AFTER)))
        return OverloadedError(f"{reason}; try again later", retry_after)

    def _leave(self, request: WaitingRequest[_Item], texts: int) -> None:
        with self._changed:
            self._texts -= texts
            if request in self._requests:  # the request failed, or its client has disconnected
                self._requests.remove(request)

    def _add(self, request: WaitingRequest[_Item], tagger: Tagger, texts: list[PreparedText]) -> _Group:
        group = _Group(tagger, texts, sum(len(text.windows) for text in texts))
        items = [_Item(group, text, window) for text in texts for window in text.windows]
        if not items:
            group.done.set()
            return group
        items.sort(key=len)
        with self._changed:
            self._check_open()
            if not request.groups:
                self._requests.append(request)
            request.groups.append(items)
            self._changed.notify_all()
        return group

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(STOPPING)

    def _collect(self, tagger: Tagger, group: _Group, caller: _Caller) -> list[TaggedText]:
        while True:
            if not caller.is_connected():
                raise ClientGoneError
            if time.monotonic() > caller.until and self._texts > caller.texts:
                seconds = f"{MAX_SECONDS_BESIDE_OTHERS:.0f} seconds"
                reason = f"the {caller.texts} texts were not done after {seconds}, and others wait beside them"
                raise self._refusal(caller.texts, reason)
            if group.done.wait(POLL_INTERVAL):
                break
        if group.error is not None:
            raise group.error
        return [tagger.finish(text) for text in group.texts]

    def _run(self) -> None:
        while self._wait_for_requests():
            # a separate function: local variables here would keep a model in memory while the thread is idle
            self._run_batch()
        with self._changed:
            for request in self._requests:
                _fail(request.groups[0], RuntimeError(STOPPING))

    def _wait_for_requests(self) -> bool:
        """Wait until there are windows to run; False after ``close``."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._closed)
            if self._policy.is_shared and len(self._requests) == 1:
                self._changed.wait(GATHER_SECONDS)
            return not self._closed

    def _run_batch(self) -> None:
        with self._changed:
            if not self._requests:  # all waiting clients have disconnected meanwhile
                return
            batch = self._policy.next_batch(self._requests, time.monotonic())
            self._requests = [request for request in self._requests if request.groups]
        tagger = batch[0].group.tagger
        started = time.monotonic()
        try:
            rows = tagger.run([item.window for item in batch])
            for item, row in zip(batch, rows, strict=True):
                item.text.take(item.window, row)
        except Exception as error:  # raised again in the requests of these windows
            _fail(batch, error)
            return
        seconds = time.monotonic() - started
        self._seconds_per_window = moving_average(self._seconds_per_window, seconds / len(batch))
        self._policy.learn(tagger.tokens(Size.of([len(item) for item in batch])), seconds)
        for item in batch:
            item.group.left -= 1
            if not item.group.left:
                item.group.done.set()


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        item.group.error = error
        item.group.done.set()
