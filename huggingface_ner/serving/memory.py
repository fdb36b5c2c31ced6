"""Returns memory to the system and to the GPU."""

import ctypes
import gc
from contextlib import suppress

from huggingface_ner.engines.gpu_memory import return_gpu_memory


def give_memory_back() -> None:
    """Return the memory of dropped models to the system and to the GPU.

    Models contain reference cycles, so only the garbage collector frees them, and it does not run while the server
    is idle. In addition, glibc and PyTorch keep freed memory in case it is needed again.
    """
    gc.collect()
    return_gpu_memory()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
