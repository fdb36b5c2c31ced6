"""The memory of a GPU: the error if too little is free, and how memory is returned to the GPU."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_ner.errors import UnavailableError

# Seconds; a training that shares the GPU with a server may free its memory at any time.
RETRY_AFTER = 30.0
# Sentences of PyTorch's message: the error, the memory that was requested, and the GPU's total and free memory.
SENTENCES = 3


class GpuMemoryError(UnavailableError):
    """Too little memory of the GPU is free; the message says for what, and how much was requested."""


@contextmanager
def gpu_memory_for(purpose: str) -> Iterator[None]:
    """Raise GpuMemoryError if the GPU's memory is too small for the with block.

    purpose: completes the sentence "too little memory of the GPU is free to ...".
    """
    import torch  # noqa: PLC0415 - other engines serve without it

    try:
        yield
    except torch.OutOfMemoryError as error:
        detail = ". ".join(str(error).split(". ")[:SENTENCES])
        raise GpuMemoryError(
            f"too little memory of the GPU is free to {purpose} ({detail}): end other processes that use the GPU, "
            "or set DEVICE=cpu",
            RETRY_AFTER,
        ) from error


def return_gpu_memory() -> None:
    """Return the memory of dropped tensors to the GPU, for other processes; PyTorch would keep it for this one."""
    if "torch" in sys.modules:
        import torch  # noqa: PLC0415 - an import statement waits if another thread has not finished the import

        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
