"""Returns memory to the system."""

import ctypes
import gc
from contextlib import suppress


def give_memory_back() -> None:
    """Return to the system the memory of models that were dropped.

    Models refer to themselves, so only a garbage collection frees them, which an idle server does not make; and
    glibc keeps what is freed in case it is needed again.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
