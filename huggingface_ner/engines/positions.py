"""How many tokens a model reads at once, and where it begins to count their positions.

This module is also copied into exported models; see exports.pipeline_code.
"""

from torch import nn
from transformers import PreTrainedModel

# Longer windows cost more (attention is quadratic), and models that could read them were trained on shorter ones.
LONGEST_WINDOW = 512


def window_length(model: PreTrainedModel) -> int:
    """Return how many tokens, special ones included, the model reads at once; at most LONGEST_WINDOW."""
    table = _position_table(model)
    if table is not None:
        return min(table.num_embeddings - reserved_positions(model), LONGEST_WINDOW)
    longest: int = getattr(model.config, "max_position_embeddings", None) or 0
    return min(longest, LONGEST_WINDOW) if longest > 0 else LONGEST_WINDOW  # XLNet has -1, which means any length


def reserved_positions(model: PreTrainedModel) -> int:
    """Return the position of a window's first token: models like RoBERTa count from padding_idx + 1."""
    table = _position_table(model)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def _position_table(model: PreTrainedModel) -> nn.Embedding | None:
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module
    return None
