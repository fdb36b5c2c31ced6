"""PyTorch's engine runs what fits into the GPU's memory, and says so if a single window does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from huggingface_ner.engines.gpu_memory import GpuMemoryError
from huggingface_ner.engines.layouts import Batch
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine

WINDOWS: Batch = [[1, 5, 9, 2], [1, 7, 2], [1, 8, 8, 6, 5, 2], [1, 2], [1, 30, 31, 2]]


def _with_memory_for(windows: int, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let an engine run out of memory in larger batches; return the sizes of the batches, as they are run."""
    sizes: list[int] = []
    run = engine._run  # noqa: SLF001 - a CPU cannot run out of a GPU's memory

    def limited(batch: Batch) -> Any:
        sizes.append(len(batch))
        if len(batch) > windows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return run(batch)

    monkeypatch.setattr(engine, "_run", limited)
    return sizes


def test_a_batch_that_is_too_large_is_halved(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = TorchEngine(load_model(tiny_bert)[0])
    expected = engine.log_probabilities(WINDOWS)
    sizes = _with_memory_for(2, engine, monkeypatch)
    for _ in range(2):
        for row, wanted in zip(engine.log_probabilities(WINDOWS), expected, strict=True):
            np.testing.assert_allclose(row, wanted, atol=1e-5)
    assert sizes == [5, 2, 3, 1, 2] * 2
    (warning,) = [record.message for record in caplog.records]
    assert "torch fp32: too little memory of the GPU is free to run 5 windows of up to 6 tokens" in warning


def test_a_window_that_does_not_fit_is_an_error(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TorchEngine(load_model(tiny_bert)[0])
    sizes = _with_memory_for(0, engine, monkeypatch)
    with pytest.raises(GpuMemoryError, match=r"to run 1 windows of up to 4 tokens .*set DEVICE=cpu"):
        engine.log_probabilities(WINDOWS)
    assert sizes == [5, 2, 1]
