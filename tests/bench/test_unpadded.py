"""Without padding, windows get the same probabilities; the kernel itself runs only on GPUs, so it is replaced."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from bench.unpadded import UnpaddedEngine
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine
from tests.tiny_models import save_tiny_model


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    borders: torch.Tensor,
    key_borders: torch.Tensor,
    longest: int,
    longest_key: int,
    *,
    scale: float | None,
) -> torch.Tensor:
    """Compute what the documentation of varlen_attn says; all states are [tokens, heads, size]."""
    assert query.shape == key.shape == value.shape
    assert (borders.dtype, borders.tolist(), longest) == (torch.int32, key_borders.tolist(), longest_key)
    assert longest == borders.diff().max()
    attended = []
    for start, end in pairwise(borders.tolist()):
        q, k, v = (states[start:end].transpose(0, 1) for states in (query, key, value))
        attended.append(scaled_dot_product_attention(q, k, v, scale=scale).transpose(0, 1))
    return torch.cat(attended)


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_windows_without_padding_are_read_like_padded_ones(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", _attention)
    folder = save_tiny_model(tmp_path, kind)
    windows = [[4, 5, 9, 6], [4, 7, 6], [4, 8, 8, 9, 5, 6], [4]]
    padded = TorchEngine(load_model(folder)[0])
    unpadded = UnpaddedEngine(load_model(folder)[0], "fp32", 64)
    pairs = zip(unpadded.log_probabilities(windows), padded.log_probabilities(windows), strict=True)
    for row, wanted in pairs:
        np.testing.assert_allclose(row, wanted, atol=1e-5)
