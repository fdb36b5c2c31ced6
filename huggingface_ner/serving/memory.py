"""Returns memory to the system and to the GPU, and keeps the garbage collector away from models."""

import ctypes
import gc
import threading
from contextlib import suppress

from huggingface_ner.engines.gpu_memory import return_gpu_memory

_collecting = threading.Lock()


def exempt_from_collection() -> None:
    """Collect garbage, and exempt all objects that are left from later collections.

    Call this after a model has been loaded. Otherwise, the garbage collector looks at all the objects of all
    packages and models now and then, while all requests wait, and not only when a model is loaded or replaced.
    Objects that are dropped are still freed at once, unless they are in reference cycles: those are freed by
    ``give_memory_back``.
    """
    with _collecting:
        gc.collect()
        gc.freeze()


def give_memory_back() -> None:
    """Return the memory of dropped models to the system and to the GPU.

    Models contain reference cycles, so only the garbage collector frees them, and it does not run while the server
    is idle. In addition, glibc and PyTorch keep freed memory in case it is needed again.
    """
    with _collecting:
        are_exempt = gc.get_freeze_count() > 0
        gc.unfreeze()
        gc.collect()
        if are_exempt:
            gc.freeze()
    return_gpu_memory()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
