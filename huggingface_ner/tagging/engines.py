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
        """Return [windows, longest window, tags]; what lies beyond a window's own length means nothing."""


# Windows up to so many tokens are padded to a multiple of 4, longer ones to one of 8.
SHORT = 32


def pad(batch: Sequence[Sequence[int]], filler: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return token ids and attention mask, both [windows, longest window or a little more].

    Few lengths instead of all: PyTorch's bfloat16 kernels are kept for each shape, 400 MB after 20,000 texts.
    """
    longest = max(map(len, batch))
    step = 4 if longest <= SHORT else 8
    longest = math.ceil(longest / step) * step
    input_ids = np.full((len(batch), longest), filler, dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for row, ids in enumerate(batch):
        input_ids[row, : len(ids)] = ids
        attention_mask[row, : len(ids)] = 1
    return input_ids, attention_mask


class TorchEngine:
    """Runs a model with PyTorch on the device that it is on; its weights are converted to the precision."""

    def __init__(self, model: "PreTrainedModel", precision: Precision = "fp32") -> None:
        import torch  # noqa: PLC0415 - an ONNX engine serves without it

        self.kind = EngineKind("torch", precision)
        self._torch = torch
        self._model = model
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        torch.nn.Module.to(model, dtype=dtype)
        self._model.train(False)
        self._pad = model.config.pad_token_id or 0

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, to give it at once."""
        return TOKENS_PER_BATCH[self._model.device.type == "cuda"]

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> LogProbabilities:
        """Return [windows, longest window, tags]; what lies beyond a window's own length means nothing."""
        input_ids, attention_mask = map(self._torch.from_numpy, pad(batch, self._pad))
        device = self._model.device
        with self._torch.inference_mode():
            logits = self._model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).logits
            result: LogProbabilities = self._torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return result
