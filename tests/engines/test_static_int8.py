"""Layers that are rounded with ranges measured beforehand have nearly the same output as before."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.static_int8 import MAX_TOKENS, Ranges, RoundedLinear, round_layers
from tests.tiny_models import save_tiny_model


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), wide=st.floats(1.0, 1000.0), shift=st.floats(-5.0, 5.0))
def test_a_rounded_layer_is_near_also_if_a_channel_is_much_wider(seed: int, wide: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(16, 8)
    with torch.inference_mode():
        layer.weight.copy_(torch.randn(8, 16, generator=generator))
        inputs = torch.randn(2, 50, 16, generator=generator) + shift
        inputs[..., 3] *= wide
        ranges = Ranges(16)
        ranges.add(inputs[:1])
        ranges.add(inputs[1:])
        wanted, found = layer(inputs), RoundedLinear(layer, ranges)(inputs)
        assert (found - wanted).abs().mean() < 0.02 * wanted.abs().mean()
        wider = RoundedLinear(layer, ranges)(100 * inputs)
        assert wider.abs().max() <= 100 * found.abs().max() + 1, "values outside the ranges are clipped"


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_channel_that_never_changes_is_no_difficulty(value: float) -> None:
    layer = nn.Linear(2, 2)
    ranges = Ranges(2)
    inputs = torch.tensor([[value, 1.0], [value, -1.0]])
    ranges.add(inputs)
    with torch.inference_mode():
        torch.testing.assert_close(RoundedLinear(layer, ranges)(inputs), layer(inputs), atol=0.05, rtol=0.05)


def test_the_lossy_layers_can_stay(tmp_path: Path) -> None:
    model = load_model(save_tiny_model(tmp_path, "bert"))[0]
    feed_forward = model.get_submodule("bert.encoder.layer.0.output")
    feed_forward.dense = nn.Linear(64, 32)
    model.get_submodule("bert.encoder.layer.0.intermediate").dense = nn.Linear(32, 64)
    round_layers(model, [[2, 9, 8, 7]], keep_lossy=True)
    left = [module for module in model.base_model.modules() if isinstance(module, nn.Linear)]
    assert left == [feed_forward.dense]


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_the_encoder_is_rounded_and_the_head_is_not(tmp_path: Path, kind: str) -> None:
    model = load_model(save_tiny_model(tmp_path, kind))[0]
    windows = [[2, *range(5, 25)], [2, 9, 8, 7]]
    inputs = torch.tensor(windows[:1])
    with torch.inference_mode():
        wanted = model(input_ids=inputs).logits.softmax(-1)
        round_layers(model, windows)
        found = model(input_ids=inputs).logits.softmax(-1)
    assert (found - wanted).abs().mean() < 0.1
    assert not any(isinstance(module, nn.Linear) for module in model.base_model.modules())
    assert isinstance(model.get_submodule("classifier"), nn.Linear)


def test_ranges_are_measured_on_so_many_tokens(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_bert)[0]
    read: list[int] = []
    model.register_forward_pre_hook(lambda *_: read.append(1))
    round_layers(model, [[2, *[7] * 19]] * MAX_TOKENS)
    assert len(read) == MAX_TOKENS / 20
