"""Which windows share a batch, and which requests wait; the tests decide when the engine runs a batch."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from huggingface_ner.engine_kinds import TORCH_FP32
from huggingface_ner.engines.engine import Engine
from huggingface_ner.engines.layouts import Layout, Packed, Padded, Size
from huggingface_ner.errors import ClientGoneError
from huggingface_ner.serving import batcher as batcher_module
from huggingface_ner.serving.batch_policy import MIN_SHARED_BUDGET
from huggingface_ner.serving.batcher import TEXTS_PER_GROUP, Batcher, OverloadedError
from huggingface_ner.tagging.loading import load_tagger
from huggingface_ner.tagging.tagger import Tagger


class Stepped:
    """An engine that records its batches, and runs one batch for each release of ``let``."""

    kind = TORCH_FP32
    tokens_per_batch = 96

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self._engine = engine
        self.layout = layout
        self.batches: list[list[tuple[int, ...]]] = []
        self.let = threading.Semaphore(0)
        self.fails = False

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        self.batches.append([tuple(ids) for ids in batch])
        assert self.let.acquire(timeout=30)
        if self.fails:
            raise MemoryError("no room")
        return self._engine.log_probabilities(batch)

    def tokens(self, batch: list[tuple[int, ...]]) -> int:
        return self.layout.tokens(Size.of([len(ids) for ids in batch]))

    def are_under_the_budget(self) -> bool:
        return all(len(batch) == 1 or self.tokens(batch) <= self.tokens_per_batch for batch in self.batches)


SMALL = "Anna flew to Zürich."
OTHER = "Is it at http://example.org?"
LARGE = [f"Don't they sell {number} e-bikes" for number in range(300)]


@pytest.fixture
def plain(tiny_bert: Path) -> Tagger:
    return load_tagger(tiny_bert, device="cpu")


@pytest.fixture(params=[Padded(0), Packed(0)], ids=lambda layout: type(layout).__name__)
def engine(plain: Tagger, request: pytest.FixtureRequest) -> Stepped:
    return Stepped(plain._current[0], request.param)


@pytest.fixture
def tagger(plain: Tagger, engine: Stepped) -> Tagger:
    return plain.with_engine(engine)


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(max_waiting=1000)
    yield made
    made.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as made:
        yield made


def _until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def _windows(tagger: Tagger, text: str) -> set[tuple[int, ...]]:
    return {tuple(window.input_ids) for window in tagger.prepare([text])[0].windows}


def _release(engine: Stepped) -> None:
    engine.let.release(100_000)


def test_requests_get_what_each_would_alone(
    batcher: Batcher, plain: Tagger, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    requests = [[SMALL], ["", OTHER, "word " * 300], LARGE, [SMALL] * 3, []]
    _release(engine)
    answers = list(threads.map(lambda texts: batcher.submit(tagger, texts, lambda: True), requests * 3))
    wanted = [plain.tag(texts) for texts in requests] * 3
    for answer, alone in zip(answers, wanted, strict=True):
        assert [tagged.spans for tagged in answer] == [tagged.spans for tagged in alone]
        assert [t.score for t in answer] == pytest.approx([t.score for t in alone], abs=1e-4)
    assert batcher.waiting == 0


def test_a_request_that_lasts_long_beside_others_is_refused(
    batcher: Batcher,
    plain: Tagger,
    tagger: Tagger,
    engine: Stepped,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batcher_module, "MAX_SECONDS_BESIDE_OTHERS", 0.0)
    bulk = threads.submit(batcher.submit, tagger, LARGE, lambda: True)
    _until(lambda: len(engine.batches) == 1)
    _until(lambda: batcher.waiting == len(LARGE))
    assert not bulk.done(), "alone, a request may last long"
    monkeypatch.setattr(batcher_module, "MAX_SECONDS_BESIDE_OTHERS", 60.0)
    single = threads.submit(batcher.submit, tagger, [SMALL], lambda: True)
    with pytest.raises(
        OverloadedError, match="the 300 texts were not done after 60 seconds, and others"
    ) as refused:
        bulk.result(timeout=30)
    assert refused.value.retry_after >= 1
    assert batcher.refused == len(LARGE)
    _release(engine)
    assert [tagged.spans for tagged in single.result()] == [tagged.spans for tagged in plain.tag([SMALL])]
    assert batcher.waiting == 0


def test_a_single_task_goes_before_a_bulk_request(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    bulk = threads.submit(batcher.submit, tagger, LARGE, lambda: True)
    _until(lambda: len(engine.batches) == 1)
    single = threads.submit(batcher.submit, tagger, [SMALL], lambda: True)
    _until(lambda: len(batcher._requests) == 2)
    engine.let.release(2)
    single.result(20)
    assert set(engine.batches[1]) == _windows(tagger, SMALL), "alone, right after the batch that was running"
    assert not bulk.done()
    _release(engine)
    assert len(bulk.result(20)) == len(LARGE)


def test_many_single_tasks_do_not_starve_a_bulk_request(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    bulk = threads.submit(batcher.submit, tagger, LARGE, lambda: True)
    _until(lambda: len(engine.batches) == 1)
    # more requests than fit into one batch
    singles = [threads.submit(batcher.submit, tagger, [SMALL], lambda: True) for _ in range(30)]
    _until(lambda: len(batcher._requests) == 31)
    engine.let.release(4)
    _until(lambda: len(engine.batches) == 5)
    small = _windows(tagger, SMALL)
    is_single = [set(batch) == small for batch in engine.batches[:5]]
    assert is_single == [False, True, False, True, False]
    _release(engine)
    assert all(single.result(20) for single in singles)
    assert len(bulk.result(20)) == len(LARGE)


def test_single_tasks_share_a_batch_under_the_budget(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(batcher.submit, tagger, [OTHER], lambda: True)
    _until(lambda: len(engine.batches) == 1)
    others = [threads.submit(batcher.submit, tagger, ["Anna"], lambda: True) for _ in range(3)]
    _until(lambda: len(batcher._requests) == 3)
    _release(engine)
    for each in (first, *others):
        each.result(20)
    assert len(engine.batches[1]) == 3
    assert engine.are_under_the_budget()


def test_batches_of_a_bulk_request_are_full_and_hardly_padded(
    batcher: Batcher, tagger: Tagger, engine: Stepped
) -> None:
    _release(engine)
    batcher.submit(tagger, [*LARGE, *["Anna"] * 50], lambda: True)
    tokens = sum(len(ids) for batch in engine.batches for ids in batch)
    assert sum(map(engine.tokens, engine.batches)) < 1.15 * tokens
    assert len(engine.batches) < 1.3 * tokens / engine.tokens_per_batch
    assert engine.are_under_the_budget()


@pytest.mark.parametrize("engine", [Padded(0)], indirect=True)
def test_a_long_window_does_not_pad_short_ones(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    long = "Is it at http://example.org? " * 3
    first = threads.submit(batcher.submit, tagger, [OTHER], lambda: True)
    _until(lambda: len(engine.batches) == 1)
    others = [
        threads.submit(batcher.submit, tagger, [text], lambda: True) for text in ("Anna", long, "Anna", "Anna")
    ]
    _until(lambda: len(batcher._requests) == 4)
    _release(engine)
    for each in (first, *others):
        each.result(20)
    short = _windows(tagger, "Anna")
    assert [len(batch) for batch in engine.batches if set(batch) & short] == [3]
    assert all(set(batch) <= short or not set(batch) & short for batch in engine.batches)


def test_batches_of_a_bulk_request_are_short_while_others_come(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = threads.submit(batcher.submit, tagger, LARGE, lambda: True)
    _until(lambda: len(engine.batches) == 1)
    time.sleep(0.5)  # a slow engine
    engine.let.release()
    _until(lambda: len(engine.batches) == 2)
    single = threads.submit(batcher.submit, tagger, [SMALL], lambda: True)
    _until(lambda: len(batcher._requests) == 2)
    engine.let.release(2)
    single.result(20)
    _until(lambda: len(engine.batches) == 4)
    monkeypatch.setattr(batcher._policy, "_others_until", 0.0)  # as if no other request had come for a while
    engine.let.release()
    _until(lambda: len(engine.batches) == 5)
    full, _, _, short, again = map(engine.tokens, engine.batches)
    assert short <= engine.tokens_per_batch * MIN_SHARED_BUDGET
    assert min(full, again) > 2 * short
    _release(engine)
    assert len(bulk.result(20)) == len(LARGE)


def test_models_do_not_share_batches(
    batcher: Batcher, plain: Tagger, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    first = threads.submit(batcher.submit, tagger, [OTHER], lambda: True)
    _until(lambda: len(engine.batches) == 1)
    same = threads.submit(batcher.submit, tagger, [SMALL], lambda: True)
    other = threads.submit(batcher.submit, plain, [SMALL], lambda: True)
    _until(lambda: len(batcher._requests) == 2)
    _release(engine)
    assert first.result(20)
    assert same.result(20) == other.result(20)
    assert all(len(batch) == len(_windows(tagger, OTHER)) or len(batch) == 1 for batch in engine.batches)


def test_what_is_too_much_is_refused_but_not_what_comes_alone(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    more_than_may_wait = LARGE * 4
    bulk = threads.submit(batcher.submit, tagger, more_than_may_wait, lambda: True)
    _until(lambda: engine.batches)
    with pytest.raises(OverloadedError, match="1200 texts wait already, MAX_WAITING_TEXTS=1000") as error:
        batcher.submit(tagger, [SMALL], lambda: True)
    assert 1 <= error.value.retry_after <= 60
    _release(engine)
    assert len(bulk.result(30)) == 1200
    engine.let = threading.Semaphore(0)
    batches = len(engine.batches)
    single = threads.submit(batcher.submit, tagger, [SMALL], lambda: True)
    _until(lambda: len(engine.batches) > batches)
    bulk = threads.submit(batcher.submit, tagger, more_than_may_wait, lambda: True)
    _until(lambda: batcher.waiting == 1201)
    _release(engine)
    assert single.result(20)
    assert len(bulk.result(30)) == 1200
    assert batcher.waiting == 0
    assert batcher.submit(tagger, [SMALL], lambda: True)


def test_who_hung_up_is_not_computed_for(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    there = threading.Event()
    there.set()
    bulk = threads.submit(batcher.submit, tagger, LARGE, there.is_set)
    _until(lambda: engine.batches)
    there.clear()
    with pytest.raises(ClientGoneError):
        bulk.result(20)
    assert batcher.waiting == 0
    _release(engine)
    assert batcher.submit(tagger, [SMALL], lambda: True)
    assert len(engine.batches) == 2, "only the batch that was running, and that of the next request"
    assert len(LARGE) > TEXTS_PER_GROUP


def test_who_hangs_up_while_a_batch_gathers_stops_nobody_else(
    batcher: Batcher, tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher_module, "GATHER_SECONDS", 0.3)
    _release(engine)
    batcher.submit(tagger, [OTHER], lambda: True)
    batcher._policy.is_shared = True

    def is_connected() -> bool:
        time.sleep(0.1)  # by now, the engine's thread waits for more requests
        return False

    with pytest.raises(ClientGoneError):
        batcher.submit(tagger, [OTHER], is_connected)
    assert not batcher._requests
    time.sleep(0.5)
    assert batcher.submit(tagger, [SMALL], lambda: True)


def test_a_model_that_is_gone_is_not_held(
    batcher: Batcher, plain: Tagger, engine: Stepped, threads: ThreadPoolExecutor
) -> None:
    tagger = plain.with_engine(engine)
    gone = weakref.ref(tagger)
    _release(engine)
    assert threads.submit(batcher.submit, tagger, [SMALL], lambda: True).result(20)
    del tagger
    gc.collect()
    assert gone() is None


def test_a_fault_is_its_requests_alone(batcher: Batcher, tagger: Tagger, engine: Stepped) -> None:
    _release(engine)
    engine.fails = True
    with pytest.raises(MemoryError):
        batcher.submit(tagger, LARGE, lambda: True)
    assert batcher.waiting == 0
    engine.fails = False
    assert len(batcher.submit(tagger, LARGE, lambda: True)) == len(LARGE)


def test_closing_ends_what_waits(tagger: Tagger, engine: Stepped, threads: ThreadPoolExecutor) -> None:
    batcher = Batcher(500)
    bulk = threads.submit(batcher.submit, tagger, LARGE, lambda: True)
    _until(lambda: engine.batches)
    closing = threads.submit(batcher.close)
    _until(lambda: batcher._closed)
    _release(engine)
    closing.result(20)
    with pytest.raises(RuntimeError, match="stopping"):
        bulk.result(20)
    with pytest.raises(RuntimeError, match="stopping"):
        batcher.submit(tagger, [SMALL], lambda: True)
