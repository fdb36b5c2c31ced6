"""Memory that this process needs no more."""

import ctypes
import gc
from contextlib import suppress


def give_memory_back() -> None:
    """Give the system back what a model took that is gone.

    Models refer to themselves, so that they wait for a collection that an idle server does not make; and glibc
    keeps what is freed in case it is wanted again.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
