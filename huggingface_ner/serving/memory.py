"""Returns memory to the system."""

import ctypes
import gc
from contextlib import suppress


def give_memory_back() -> None:
    """Return the memory of dropped models to the system.

    Models contain reference cycles, so only the garbage collector frees them, and it does not run while the server
    is idle. In addition, glibc keeps freed memory in case it is needed again.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
