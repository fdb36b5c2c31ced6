"""How many cores the engines of this process use."""

import os
import sys

from huggingface_ner.engines.hardware import cores_for

_taken = [cores_for(1)]


def share_cores(processes: int) -> None:
    """Use an equal share of the cores, so that several processes do not compete for them.

    processes: how many processes share the cores. If OMP_NUM_THREADS is set, it takes precedence.
    """
    _take(cores_for(processes))


def take_cores(cores: int | None) -> None:
    """Use this many cores; if None, use half of them, which leaves the rest to a server on the same machine."""
    _take(cores or max(cores_for(1) // 2, 1))


def engine_cores() -> int:
    """Return how many cores, each with one thread, an engine of this process uses."""
    return _taken[0]


def _take(cores: int) -> None:
    _taken[0] = cores
    # the tokenizers library must not start threads, because texts are tokenized while an engine uses the cores
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))  # torch reads this when it is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(cores)
