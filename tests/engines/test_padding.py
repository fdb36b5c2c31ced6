"""A model whose output padding would change is not padded, so the output does not depend on the batch."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.padding import WIDTH, is_changed_by_padding
from huggingface_ner.engines.plain_model import plain_model
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.torch_engine import TorchEngine
from tests.engines.batches import long_batch

HIDDEN = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
FUNNEL = {"block_sizes": [1, 1], "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 16, "num_decoder_layers": 1}
CHANGED = [("convbert", {**HIDDEN, "embedding_size": 16}), ("funnel", FUNNEL)]


def _model(kind: str, values: dict[str, Any]) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=100, initializer_range=0.5, pad_token_id=0, **values)
    model: PreTrainedModel = AutoModelForTokenClassification.from_config(config)
    model.train(False)
    return model


@pytest.mark.parametrize(("kind", "values"), CHANGED)
def test_a_window_is_run_by_itself_if_padding_would_change_it(kind: str, values: dict[str, Any]) -> None:
    model = _model(kind, values)
    assert is_changed_by_padding(model)
    batch = long_batch(40)
    with torch.inference_mode():
        wanted = [model(input_ids=torch.tensor([window])).logits[0].log_softmax(-1).numpy() for window in batch]
    for rows, expected in zip(TorchEngine(model).log_probabilities(batch), wanted, strict=True):
        np.testing.assert_allclose(rows, expected, atol=1e-4)
    with pytest.raises(ModelError, match=r"padding changes the output of .*TokenClassification, so only PyTorch"):
        plain_model(model, "eager")


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "modernbert", "roformer"])
def test_attention_does_not_see_padding(kind: str) -> None:
    assert not is_changed_by_padding(_model(kind, HIDDEN))


def test_a_model_with_few_positions_is_tried_with_shorter_windows() -> None:
    model = _model("bert", {**HIDDEN, "max_position_embeddings": 8})
    assert window_length(model) < WIDTH
    assert not is_changed_by_padding(model)
