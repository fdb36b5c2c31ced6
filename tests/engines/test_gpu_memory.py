"""An error about the GPU's memory says what was computed, how much was requested, and what to do."""

import pytest
import torch

from huggingface_ner.engines.gpu_memory import GpuMemoryError, gpu_memory_for, return_gpu_memory

# what PyTorch says
FULL = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 15.77 GiB of which 10.00 MiB "
    "is free. Process 4711 has 15.00 GiB memory in use. If reserved but unallocated memory is large try setting "
    "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)


def test_the_error_names_the_purpose_and_the_memory() -> None:
    with pytest.raises(GpuMemoryError) as raised, gpu_memory_for("train"):
        raise torch.OutOfMemoryError(FULL)
    assert str(raised.value) == (
        "too little memory of the GPU is free to train (CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 "
        "has a total capacity of 15.77 GiB of which 10.00 MiB is free): end other processes that use the GPU, or "
        "set DEVICE=cpu"
    )
    assert raised.value.retryable
    assert raised.value.retry_after > 0


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), gpu_memory_for("train"):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize("uses_gpu", [True, False])
def test_memory_is_returned_only_by_a_process_that_uses_the_gpu(
    uses_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: uses_gpu)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: returned.append(True))
    return_gpu_memory()
    assert returned == [True] * uses_gpu
