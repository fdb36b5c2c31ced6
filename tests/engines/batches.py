"""Batches of windows for the tests of engines."""

import numpy as np
from hypothesis import strategies as st

from huggingface_ner.engines.engine import Engine
from huggingface_ner.engines.layouts import Batch, LogProbabilities

# batches of 1 to 8 windows of 1 to 40 tokens of the tiny models
WINDOWS = st.lists(st.lists(st.integers(2, 100), min_size=1, max_size=40), min_size=1, max_size=8)


def long_batch(longest: int) -> Batch:
    """Return three windows, one of which has so many tokens."""
    return [[2, 9, 8, 7, 6, 5, 4], [2, 5, 6], [2, *(5 + at % 25 for at in range(longest - 1))]]


def probabilities(rows: list[LogProbabilities], batch: Batch) -> LogProbabilities:
    """Return the probabilities of all tokens of a batch, [tokens, tags]."""
    assert [len(row) for row in rows] == [len(ids) for ids in batch]
    return np.asarray(np.exp(np.concatenate(rows)))


def assert_batch_does_not_matter(engine: Engine, batch: Batch) -> None:
    """Assert that what an engine says of each window of a batch is what it says of the window alone."""
    alone = [engine.log_probabilities([window])[0] for window in batch]
    # in int8, a tiny difference in float32 can change how a value is rounded
    np.testing.assert_allclose(
        probabilities(engine.log_probabilities(batch), batch), np.exp(np.concatenate(alone)), atol=1e-5
    )
