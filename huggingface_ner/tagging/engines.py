"""Token windows to tag probabilities: the interface of engines, and PyTorch's."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from huggingface_ner.tagging.decoding import LogProbabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Chosen by measuring, see bench/README.md: on a CPU, and on a GPU.
TOKENS_PER_BATCH = (256, 16_384)

# Tokens; batches of windows that are no longer are padded to a multiple of 4, others to one of 8.
SHORT = 32

# mixed: int8, but for the products that suffer most from it
Precision = Literal["fp32", "bf16", "fp16", "int8", "mixed"]


class EngineKind(NamedTuple):
    """A library and the numbers that it computes with."""

    engine: Literal["torch", "onnx"]
    precision: Precision

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


TORCH_FP32 = EngineKind("torch", "fp32")


class Engine(Protocol):
    """Runs a token-classification model; one call at a time."""

    @property
    def kind(self) -> EngineKind:
        """Which of the engines it is."""

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, to give it at once."""

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> LogProbabilities:
        """Return [windows, longest window or more, tags]; what lies beyond a window's own length means nothing."""


def pad(
    batch: Sequence[Sequence[int]], filler: int, width: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return token ids and attention mask, both [windows, width]; the width of the longest window unless given."""
    width = width or max(map(len, batch))
    input_ids = np.full((len(batch), width), filler, dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for row, ids in enumerate(batch):
        input_ids[row, : len(ids)] = ids
        attention_mask[row, : len(ids)] = 1
    return input_ids, attention_mask


class TorchEngine:
    """Runs a model with PyTorch on the device that it is on; its weights are converted to the precision."""

    def __init__(self, model: "PreTrainedModel", precision: Precision = "fp32") -> None:
        import torch  # noqa: PLC0415 - an ONNX engine serves without it

        from huggingface_ner.tagging.pretrained import window_length  # noqa: PLC0415 - it imports torch

        self.kind = EngineKind("torch", precision)
        self._torch = torch
        self._model = model
        self._most = window_length(model)
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        torch.nn.Module.to(model, dtype=dtype)
        self._model.train(False)
        self._pad = model.config.pad_token_id or 0

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, to give it at once."""
        return TOKENS_PER_BATCH[self._model.device.type == "cuda"]

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> LogProbabilities:
        """Return [windows, longest window or more, tags]; what lies beyond a window's own length means nothing."""
        longest = max(map(len, batch))
        # PyTorch keeps its kernels for each shape: with all lengths, 350 MB after 20,000 texts, which few spare
        step = 4 if longest <= SHORT else 8
        width = min(math.ceil(longest / step) * step, max(longest, self._most))
        input_ids, attention_mask = map(self._torch.from_numpy, pad(batch, self._pad, width))
        device = self._model.device
        with self._torch.inference_mode():
            logits = self._model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).logits
            result: LogProbabilities = self._torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return result
