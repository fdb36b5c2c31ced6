"""How many cores the engines of this process use."""

import os
import sys

from huggingface_ner.engines.hardware import cores_for

_taken = [cores_for(1)]


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, so that several do not fight for them; OMP_NUM_THREADS wins."""
    _take(cores_for(processes))


def take_cores(cores: int | None) -> None:
    """Use this many cores; None: half of them, so that a server on the same machine keeps the rest."""
    _take(cores or max(cores_for(1) // 2, 1))


def engine_cores() -> int:
    """Return how many cores, each with one thread, an engine of this process uses."""
    return _taken[0]


def _take(cores: int) -> None:
    _taken[0] = cores
    # the tokenizers library gets no threads: texts are tokenized while an engine uses the cores
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))  # torch reads it when it is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(cores)
