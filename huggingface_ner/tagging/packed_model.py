"""A model that reads several windows packed in one row, see ``layouts``."""

import logging

import torch
from torch import nn
from transformers import PreTrainedModel

from huggingface_ner.tagging.layouts import Packed, Padded
from huggingface_ner.tagging.pretrained import reserved_positions

# Windows to try it with: of lengths that differ, with one token twice in a window.
PROBE_LENGTHS = (5, 9, 3)
# Between probabilities' logits; packed and padded differ by rounding alone.
TOLERANCE = 1e-3

logger = logging.getLogger(__name__)


class PackedModel(nn.Module):
    """A token-classification model for ``layouts.Packed``."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self._first_position = reserved_positions(model)

    def forward(self, input_ids: torch.Tensor, positions: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        """Return the logits, [1, tokens, tags], of tokens, positions and segments, all [1, tokens]."""
        apart = segments[:, None, :, None] != segments[:, None, None, :]
        dtype = self.model.dtype
        mask = torch.zeros(apart.shape, dtype=dtype).masked_fill(apart, torch.finfo(dtype).min)
        logits: torch.Tensor = self.model(
            input_ids=input_ids, position_ids=positions + self._first_position, attention_mask=mask
        ).logits
        return logits


def packed_model(model: PreTrainedModel) -> PackedModel | None:
    """Return what reads packed windows with a model; None where it says something else than of each one alone.

    The model has to be in float32 on the CPU.
    """
    packed = PackedModel(model)
    filler = model.config.pad_token_id or 0
    ids = [number for number in range(min(model.config.vocab_size, 10)) if number != filler]
    batch = [[ids[at * at % len(ids)] for at in range(length)] for length in PROBE_LENGTHS]
    padding, packing = Padded(filler), Packed(filler, multiple=4)
    try:
        with torch.inference_mode():
            input_ids, attention_mask = map(torch.from_numpy, padding.lay_out(batch))
            wanted = model(input_ids=input_ids, attention_mask=attention_mask).logits.numpy()
            found = packed(*map(torch.from_numpy, packing.lay_out(batch))).numpy()
        pairs = zip(packing.rows(found, batch), padding.rows(wanted, batch), strict=True)
        if all(abs(one - other).max() < TOLERANCE for one, other in pairs):
            return packed
        logger.debug("%s: packed, it says something else", type(model).__name__)
    except Exception:  # models raise whatever an argument means to them
        logger.debug("%s: it cannot be packed", type(model).__name__, exc_info=True)
    return None
