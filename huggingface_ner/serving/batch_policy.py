"""Chooses the windows of the engine's next batch: a full batch, little padding, fair turns for all requests."""

import weakref
from collections import deque
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from huggingface_ner.engines.layouts import Size

# If windows are padded, a request joins a batch only if that adds at most this many tokens of padding. The
# overhead of a separate batch is about the cost of this many tokens. Measured, see bench/README.md.
TOKENS_TO_JOIN = 8
# Maximum seconds for a batch of a large request while there are other requests, which wait until the batch ends.
SHARED_BATCH_SECONDS = 0.008
# Seconds for which more requests are expected after several have waited at the same time.
EXPECT_OTHERS_SECONDS = 5.0
# Minimum share of the engine's token budget for a batch that others wait for. Without it, one batch that stalls
# would make all later batches tiny.
MIN_SHARED_BUDGET = 0.25


class Costs(Protocol):
    """The number of tokens that a batch costs a model's engine; ``Tagger`` implements this protocol."""

    @property
    def tokens_per_batch(self) -> int:
        """The maximum number of tokens of a batch, padding included."""

    def tokens(self, size: Size) -> int:
        """Return how many tokens, padding included, a batch takes."""


# A window; its length is in tokens.
Window = TypeVar("Window", bound=Sized)


@dataclass(eq=False, slots=True, weakref_slot=True)
class WaitingRequest(Generic[Window]):
    """The waiting windows of a request, in groups; no group is empty, and each has its longest window last."""

    costs: Costs
    groups: deque[list[Window]] = field(default_factory=deque)

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @property
    def longest(self) -> int:
        """The length of the first group's longest window."""
        return len(self.groups[0][-1])


class BatchPolicy:
    """Chooses batches, and learns how long they take.

    is_shared: whether the last batch had windows of several requests.
    """

    def __init__(self) -> None:
        self.is_shared = False
        # the request whose windows came first in the last batch; a weak reference, so that its model can be freed
        self._last_leader: weakref.ref[WaitingRequest[Any]] | None = None
        self._seconds_per_token = 0.0
        self._others_until = 0.0  # until when further requests are expected

    def next_batch(self, requests: Sequence[WaitingRequest[Window]], now: float) -> list[Window]:
        """Take the windows of the next batch from their requests, within the engine's token budget.

        requests: at least one, oldest first, each with windows. now: seconds of a monotonic clock.
        The oldest request and the others take turns. So a large request does not keep small ones waiting, and many
        small ones do not delay a large one. Among the others, the smallest comes first. The rest of the budget
        goes to requests of the same model that fit completely. If windows are padded, the windows of these
        requests must also be about as long as the others.
        """
        leader = self._lead(requests, now)
        batch = _take_longest(leader, self._budget(leader.costs, now))
        others = [each for each in requests if each is not leader and each.costs is leader.costs]
        joined = _take_fitting(others, leader.costs, Size.of([len(window) for window in batch]))
        self.is_shared = bool(joined)
        return [*batch, *joined]

    def learn(self, tokens: int, seconds: float) -> None:
        """Learn that a batch of ``tokens`` tokens, padding included, took ``seconds``."""
        self._seconds_per_token = moving_average(self._seconds_per_token, seconds / tokens)

    def _lead(self, requests: Sequence[WaitingRequest[Window]], now: float) -> WaitingRequest[Window]:
        leader, *others = requests
        if others:
            self._others_until = now + EXPECT_OTHERS_SECONDS
            if self._last_leader is not None and self._last_leader() is leader:
                leader = min(others, key=len)
        self._last_leader = weakref.ref(leader)
        return leader

    def _budget(self, costs: Costs, now: float) -> int:
        """Return how many tokens of a batch, padding included, one request may use."""
        full = costs.tokens_per_batch
        if now > self._others_until or not self._seconds_per_token:
            return full
        shared = int(SHARED_BATCH_SECONDS / self._seconds_per_token)
        return min(max(shared, int(MIN_SHARED_BUDGET * full)), full)


def _take_longest(request: WaitingRequest[Window], budget: int) -> list[Window]:
    """Take the longest windows of a request's first group, as many as the budget allows, at least one."""
    group, size = request.groups[0], Size()
    batch: list[Window] = []
    while group and (not batch or request.costs.tokens(size.plus(Size.of([len(group[-1])]))) <= budget):
        size = size.plus(Size.of([len(group[-1])]))
        batch.append(group.pop())
    if not group:
        request.groups.popleft()
    return batch


def _take_fitting(requests: Sequence[WaitingRequest[Window]], costs: Costs, size: Size) -> list[Window]:
    """Take all windows of the requests that fit into a batch of this size, the smallest requests first."""
    taken: list[Window] = []
    longest = size.longest
    small = [request for request in requests if len(request.groups) == 1]
    for request in sorted(small, key=lambda request: (len(request), abs(request.longest - longest))):
        more = Size.of([len(window) for window in request.groups[0]])
        apart = costs.tokens(size) + costs.tokens(more)
        if costs.tokens(size.plus(more)) <= min(costs.tokens_per_batch, apart + TOKENS_TO_JOIN):
            taken += request.groups.popleft()
            size = size.plus(more)
    return taken


def moving_average(average: float, value: float) -> float:
    """Return a moving average after one more value; an average of 0.0 means that there was no value yet."""
    return average + 0.1 * (value - average) if average else value
