"""Which windows go into the next batch; here, a window is a string with one character for each token."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.engines.layouts import Layout, Packed, Padded, Size
from huggingface_ner.serving.batch_policy import (
    EXPECT_OTHERS_SECONDS,
    MIN_SHARED_BUDGET,
    SHARED_BATCH_SECONDS,
    BatchPolicy,
    WaitingRequest,
)


@dataclass(frozen=True)
class Model:
    """The costs of a model with a given layout."""

    layout: Layout
    tokens_per_batch: int = 64

    def tokens(self, size: Size) -> int:
        return self.layout.tokens(size)

    def cost(self, batch: Sequence[str]) -> int:
        return self.tokens(Size.of([len(window) for window in batch]))


PADDED, PACKED = Model(Padded(0)), Model(Packed(0))
GROUPS = st.lists(st.lists(st.integers(1, 100), min_size=1, max_size=8), min_size=1, max_size=3)


def _request(model: Model, *groups: Sequence[int], name: str = "x") -> WaitingRequest[str]:
    return WaitingRequest(model, deque([name * length for length in sorted(group)] for group in groups))


def _batches(policy: BatchPolicy, requests: list[WaitingRequest[str]]) -> list[list[str]]:
    """Take batches until no window waits."""
    batches = []
    while requests:
        batches.append(policy.next_batch(requests, 0.0))
        requests = [request for request in requests if request.groups]
    return batches


@given(
    waiting=st.lists(st.tuples(st.sampled_from([PADDED, PACKED]), GROUPS), max_size=6),
    seconds=st.sampled_from([0.0, 1e-4, 1.0]),
)
def test_every_window_is_run_once_within_the_budget(
    waiting: list[tuple[Model, list[list[int]]]], seconds: float
) -> None:
    policy = BatchPolicy()
    if seconds:
        policy.learn(1, seconds)
    requests = [
        _request(model, *groups, name=chr(ord("a") + number)) for number, (model, groups) in enumerate(waiting)
    ]
    wanted = sorted(window for request in requests for group in request.groups for window in group)
    models = {chr(ord("a") + number): model for number, (model, _) in enumerate(waiting)}
    batches = _batches(policy, requests)
    assert sorted(window for batch in batches for window in batch) == wanted
    for batch in batches:
        (model,) = {id(models[window[0]]): models[window[0]] for window in batch}.values()
        assert len(batch) == 1 or model.cost(batch) <= model.tokens_per_batch


def test_the_oldest_and_the_smallest_of_the_others_take_turns() -> None:
    large = _request(PADDED, [60] * 4, name="l")
    requests = [large, _request(PADDED, [50, 50], name="m"), _request(PADDED, [40], name="s")]
    assert [batch[0][0] for batch in _batches(BatchPolicy(), requests)] == ["l", "s", "l", "m", "l", "m", "l"]


def test_small_requests_share_a_batch_unless_that_pads_much() -> None:
    policy = BatchPolicy()
    requests = [_request(PADDED, [length], name=name) for name, length in (("a", 10), ("b", 40), ("c", 12))]
    batch = [window[0] for window in policy.next_batch(requests, 0.0)]
    assert (batch, policy.is_shared) == (["a", "c"], True)
    batch = [window[0] for window in policy.next_batch(requests[1:2], 0.0)]
    assert (batch, policy.is_shared) == (["b"], False)
    packed = [_request(PACKED, [length], name=name) for name, length in (("a", 10), ("b", 40), ("c", 12))]
    assert [window[0] for window in policy.next_batch(packed, 0.0)] == ["a", "c", "b"], "nothing is padded"


def test_requests_for_different_models_are_run_apart() -> None:
    requests = [_request(PACKED, [5], name="a"), _request(Model(Packed(0), 65), [5], name="b")]
    assert _batches(BatchPolicy(), requests) == [["a" * 5], ["b" * 5]]


def test_a_large_request_gets_less_of_a_slow_engine_while_others_come() -> None:
    policy = BatchPolicy()
    large = _request(PACKED, [4] * 100, name="l")
    full = PACKED.tokens_per_batch
    assert PACKED.cost(policy.next_batch([large], 10.0)) == full
    policy.learn(1, SHARED_BATCH_SECONDS / 32)
    assert PACKED.cost(policy.next_batch([large], 100.0)) == full, "no other request came"
    small = _request(PACKED, [4], name="s")
    assert policy.next_batch([large, small], 100.0) == ["ssss"]
    assert PACKED.cost(policy.next_batch([large], 100.0)) == 32
    for _ in range(100):
        policy.learn(1, 1.0)
    shared = policy.next_batch([large], 100.0 + EXPECT_OTHERS_SECONDS)
    assert PACKED.cost(shared) == MIN_SHARED_BUDGET * full, "never less than this, however slow the engine is"
    assert PACKED.cost(policy.next_batch([large], 100.1 + EXPECT_OTHERS_SECONDS)) == full
