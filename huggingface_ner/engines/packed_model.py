"""A model that reads several windows packed into one row, see ``layouts``."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from huggingface_ner.engines.layouts import Packed, Padded
from huggingface_ner.engines.positions import reserved_positions, window_length
from huggingface_ner.engines.pretrained import padding_id
from huggingface_ner.engines.probes import TOLERANCE, probe_windows

# A packed model is tried with windows of these lengths and with one of the model's full length. The full-length
# window is needed because some architectures attend to near tokens only, and our mask would override this.
PROBE_LENGTHS = (5, 9, 3)

# The name under which transformers knows our attention, which computes only blocks near the diagonal.
BLOCKWISE = "blockwise"
BLOCK = 64
# A block's keys start and end at multiples of this. The fewer shapes there are, the less memory PyTorch uses,
# because it keeps kernels for each shape; see torch_engine.WIDTH_MULTIPLE.
KEYS = 16

logger = logging.getLogger(__name__)


class Block(NamedTuple):
    """Some tokens of a packed row (queries), and a stretch with all tokens of their windows (keys)."""

    queries: slice
    keys: slice


class PackedModel(nn.Module):
    """A token-classification model that reads the inputs of ``layouts.Packed``."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self._first_position = reserved_positions(model)

    def forward(self, input_ids: torch.Tensor, positions: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Return the logits, [1, tokens, tags]; token ids, positions and segments are all [1, tokens]."""
        apart = segments[:, None, :, None] != segments[:, None, None, :]
        dtype = self.model.dtype
        mask = torch.zeros(apart.shape, dtype=dtype).masked_fill(apart, torch.finfo(dtype).min)
        is_blockwise = self.model.config._attn_implementation == BLOCKWISE
        logits: torch.Tensor = self.model(
            input_ids=input_ids,
            position_ids=positions + self._first_position,
            attention_mask=mask,
            **({"blocks": blocks(segments[0])} if is_blockwise else {}),
        ).logits
        return logits


def packed_model(model: PreTrainedModel) -> PackedModel | None:
    """Return the packed version of a model, or None if its packed output differs from its output window by window.

    The model has to be in float32 on the CPU. If it can be packed and has fused attention, its attention is
    blockwise from then on.
    """
    packed, before = PackedModel(model), model.config._attn_implementation
    filler = padding_id(model)
    batch = probe_windows(model, (*PROBE_LENGTHS, window_length(model)))
    padding, packing = Padded(filler), Packed(filler, multiple=4)
    try:
        with torch.inference_mode():
            wanted = []
            for window in batch:
                input_ids, attention_mask = map(torch.from_numpy, padding.lay_out([window]))
                wanted.append(model(input_ids=input_ids, attention_mask=attention_mask).logits[0].numpy())
            if before == "sdpa" and model._supports_attention_backend:
                model.set_attn_implementation(BLOCKWISE)
            found = packed(*map(torch.from_numpy, packing.lay_out(batch))).numpy()
        pairs = zip(packing.rows(found, batch), wanted, strict=True)
        if all(abs(one - other).max() < TOLERANCE for one, other in pairs):
            return packed
        logger.debug("%s: its packed output differs from its padded output", type(model).__name__)
    except Exception:  # a model may raise any exception for arguments that it does not expect
        logger.debug("%s: it cannot be packed", type(model).__name__, exc_info=True)
    model.set_attn_implementation(before)
    return None


def blocks(segments: torch.Tensor) -> list[Block]:
    """Return the blocks of a row with these segments, [tokens]."""
    width = len(segments)
    edges = [0, *(segments.diff().nonzero()[:, 0] + 1).tolist(), width]
    found = []
    for start in range(0, width, BLOCK):
        end = min(start + BLOCK, width)
        first = max(edge for edge in edges if edge <= start)
        last = min(edge for edge in edges if edge >= end)
        keys = slice(first // KEYS * KEYS, min(-(-last // KEYS) * KEYS, width))
        found.append(Block(slice(start, end), keys))
    return found


def _blockwise_attention(
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    blocks: Sequence[Block],
    scaling: float | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attention's output for a row, [1, tokens, heads, size], computed block by block.

    query, key, value: [1, heads, tokens, size]. attention_mask: [1, 1, tokens, tokens], additive. The
    keys that a block leaves out are masked for all its queries, so the result is the same as without blocks.
    """
    attended = [
        scaled_dot_product_attention(
            query[:, :, block.queries],
            key[:, :, block.keys],
            value[:, :, block.keys],
            attn_mask=attention_mask[:, :, block.queries, block.keys],
            scale=scaling,
        )
        for block in blocks
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(BLOCKWISE, _blockwise_attention)
