"""An engine for GPUs without padding: the windows of a batch are one row, and attention knows their borders.

This is a way of bench.serving, to decide whether the service should run like this on GPUs. PyTorch's
``varlen_attn`` is a kernel of FlashAttention (Dao, 2023); it needs float16 or bfloat16, and a GPU of the Ampere
generation or newer.
"""

from itertools import accumulate

import torch
from torch import nn
from torch.nn.attention import varlen
from transformers import AttentionInterface, PreTrainedModel

from huggingface_ner.engine_kinds import EngineKind, Precision
from huggingface_ner.engines.layouts import Batch, Layout, LogProbabilities, Packed
from huggingface_ner.engines.positions import reserved_positions

# The name under which transformers knows the attention.
UNPADDED = "unpadded"


class UnpaddedEngine:
    """Runs a model in float16 or bfloat16 on the GPU that the model is on."""

    def __init__(self, model: PreTrainedModel, precision: Precision, tokens_per_batch: int) -> None:
        self.kind = EngineKind("torch", precision)
        self.layout: Layout = Packed(model.config.pad_token_id or 0)
        self.tokens_per_batch = tokens_per_batch
        model.train(False)
        model.set_attn_implementation(UNPADDED)
        self._first_position = reserved_positions(model)
        self._model = model
        nn.Module.to(
            model, dtype={"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        )

    def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
        """Return the log-probabilities of each window, [its tokens, tags]; the windows are given as token ids."""
        device = self._model.device
        input_ids, positions, _ = (torch.from_numpy(array).to(device) for array in self.layout.lay_out(batch))
        lengths = [len(ids) for ids in batch]
        with torch.inference_mode():
            logits = self._model(
                input_ids=input_ids,
                position_ids=positions + self._first_position,
                borders=torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device),
                longest=max(lengths),
            ).logits
            output = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return self.layout.rows(output, batch)


def _attention(
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _attention_mask: None,
    *,
    borders: torch.Tensor,
    longest: int,
    scaling: float | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attention's output for a row, [1, tokens, heads, size].

    query, key, value: [1, heads, tokens, size]. borders: window n has the tokens borders[n] to borders[n + 1].
    longest: the number of tokens of the longest window.
    """
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    attended = varlen.varlen_attn(query, key, value, borders, borders, longest, longest, scale=scaling)
    assert isinstance(attended, torch.Tensor)
    return attended[None], None


AttentionInterface.register(UNPADDED, _attention)
