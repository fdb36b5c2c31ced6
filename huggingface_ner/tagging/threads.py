"""How many threads the engines of this process take."""

import os
import sys

from huggingface_ner.tagging.hardware import threads_for

_taken = [threads_for(1)]


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, so that several do not fight for them; OMP_NUM_THREADS wins.

    The tokenizers library takes none of its own: texts are tokenized while an engine has the cores.
    """
    _taken[0] = threads_for(processes)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", str(_taken[0]))  # torch reads it when it is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(_taken[0])


def engine_threads() -> int:
    """Return how many threads an engine of this process takes."""
    return _taken[0]
