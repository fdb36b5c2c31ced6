"""How many threads the engines of this process take."""

import os
import sys

from huggingface_ner.engines.hardware import threads_for

_taken = [threads_for(1)]


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, so that several do not fight for them; OMP_NUM_THREADS wins."""
    _take(threads_for(processes))


def take_cores(threads: int | None) -> None:
    """Take so many cores; None: half of them, so that the server beside keeps the rest."""
    _take(threads or max(threads_for(1) // 2, 1))


def engine_threads() -> int:
    """Return how many threads an engine of this process takes."""
    return _taken[0]


def _take(threads: int) -> None:
    _taken[0] = threads
    # the tokenizers library takes none of its own: texts are tokenized while an engine has the cores
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torch reads it when it is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
