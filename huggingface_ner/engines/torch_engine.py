"""PyTorch: runs a model on the device that the model is on."""

import logging
from typing import TYPE_CHECKING

from huggingface_ner.engine_kinds import EngineKind, Precision
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.gpu_memory import GpuMemoryError, gpu_memory_for, return_gpu_memory
from huggingface_ner.engines.hardware import has_fast_bf16
from huggingface_ner.engines.layouts import Batch, Layout, LogProbabilities, Packed, Padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# For a CPU, which was measured, and for a GPU, which was not; see bench/README.md.
TOKENS_PER_BATCH = (256, 16_384)

# The width of rows is a multiple of this, because PyTorch keeps kernels for each shape. Without the rounding, the
# kernels took 350 MB after 20,000 texts of all widths.
WIDTH_MULTIPLE = 16

logger = logging.getLogger(__name__)


class TorchEngine:
    """Runs a model with PyTorch on the device that the model is on; converts its weights to the precision.

    If a batch is too large for the GPU's memory, its halves are run one after the other. If padding changes the
    model's output, each window is run by itself.
    """

    def __init__(self, model: "PreTrainedModel", precision: Precision = "fp32") -> None:
        import torch  # noqa: PLC0415 - other engines serve without it

        from huggingface_ner.engines.packed_model import packed_model  # noqa: PLC0415 - it imports torch
        from huggingface_ner.engines.padding import is_changed_by_padding  # noqa: PLC0415 - it imports torch
        from huggingface_ner.engines.positions import window_length  # noqa: PLC0415 - it imports torch
        from huggingface_ner.engines.pretrained import padding_id  # noqa: PLC0415 - it imports torch

        self.kind = EngineKind("torch", precision)
        self._is_short_of_memory = False
        self._torch = torch
        self._model = model
        model.train(False)
        torch.nn.Module.to(model, dtype=torch.float32)
        filler = padding_id(model)
        # On a GPU, the mask of a packed batch would be 16,384 x 16,384. Attention that needs no mask is a way of
        # bench/serving.py, but was not measured yet.
        self._packed = packed_model(model) if model.device.type == "cpu" else None
        self._is_never_padded = self._packed is None and is_changed_by_padding(model)
        self.layout: Layout = (
            Packed(filler, WIDTH_MULTIPLE)
            if self._packed
            else Padded(filler, 1 if self._is_never_padded else WIDTH_MULTIPLE, max_width=window_length(model))
        )
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        torch.nn.Module.to(model, dtype=dtype)

    @property
    def tokens_per_batch(self) -> int:
        """How many tokens, padding included, the engine should get in one batch."""
        return TOKENS_PER_BATCH[self._model.device.type == "cuda"]

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; the windows are given as token ids.

        Raises GpuMemoryError if the GPU's memory is too small for a single window.
        """
        try:
            with gpu_memory_for(f"run {len(batch)} windows of up to {max(map(len, batch))} tokens"):
                return self._run(batch)
        except GpuMemoryError as error:
            # only the first time, because another process may use the GPU's memory during many batches
            if not self._is_short_of_memory:
                logger.warning("%s: %s. Batches that are too large are halved.", self.kind, error)
            self._is_short_of_memory = True
            if len(batch) == 1:
                raise
        # not in the except block, where the error still refers to the tensors of the batch
        return_gpu_memory()
        middle = len(batch) // 2
        return [*self.log_probabilities(batch[:middle]), *self.log_probabilities(batch[middle:])]

    def _run(self, batch: Batch) -> list[LogProbabilities]:
        if self._is_never_padded and len(batch) > 1:
            return [rows for window in batch for rows in self._run([window])]
        inputs = [self._torch.from_numpy(array).to(self._model.device) for array in self.layout.lay_out(batch)]
        with self._torch.inference_mode():
            if self._packed is None:
                logits = self._model(**dict(zip(Padded.INPUTS, inputs, strict=True))).logits
            else:
                logits = self._packed(*inputs)
            output = self._torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return self.layout.rows(output, batch)


class TorchFamily:
    """Loads the model's own weights, so nothing has to be prepared."""

    def offers(self, device: str) -> list[EngineKind]:
        """Return the kinds that are likely to be fast on this machine."""
        if device == "cuda":
            return [EngineKind("torch", "fp16"), EngineKind("torch", "bf16")]
        return [EngineKind("torch", "bf16")] if has_fast_bf16() else []

    def prepare(self, kind: EngineKind, source: EngineSource) -> list[str]:
        """Write nothing, because ``load`` needs only the model."""
        return []

    def load(self, kind: EngineKind, source: EngineSource) -> TorchEngine:
        """Return an engine that runs the model on the source's device; raises ModelError and GpuMemoryError."""
        import torch  # noqa: PLC0415 - other engines serve without it

        from huggingface_ner.engines.pretrained import load_model  # noqa: PLC0415 - it imports torch

        model = load_model(source.name_or_path)[0]
        with gpu_memory_for(f"load {source.name_or_path}"):
            torch.nn.Module.to(model, torch.device(source.device))
            return TorchEngine(model, kind.precision)


FAMILY = TorchFamily()
