"""A window's length fits the model, also if the model has no table of positions."""

from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForTokenClassification

from huggingface_ner.engines.positions import LONGEST_WINDOW, reserved_positions, window_length

SIZE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
TINY = {"vocab_size": 9, **SIZE}


@pytest.mark.parametrize(
    ("kind", "values", "length", "reserved"),
    [
        ("bert", {**TINY, "max_position_embeddings": 40}, 40, 0),
        ("bert", {**TINY, "max_position_embeddings": 4000}, LONGEST_WINDOW, 0),
        ("roberta", {**TINY, "max_position_embeddings": 40, "pad_token_id": 1}, 38, 2),
        # these have no table of positions; one config says -1, the other one nothing
        ("xlnet", {"vocab_size": 9, "d_model": 8, "n_layer": 1, "n_head": 2, "d_inner": 8}, LONGEST_WINDOW, 0),
        ("t5", {"vocab_size": 9, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1}, LONGEST_WINDOW, 0),
    ],
)
def test_the_length_is_the_models_up_to_a_limit(
    kind: str, values: dict[str, Any], length: int, reserved: int
) -> None:
    model = AutoModelForTokenClassification.from_config(AutoConfig.for_model(kind, **values))
    assert (window_length(model), reserved_positions(model)) == (length, reserved)
