"""Rounds the linear layers of a model's encoder to int8, with ranges that are measured on texts beforehand.

With such static ranges, the output for a window does not depend on the other windows of its batch. A few channels
of an encoder have ranges that are many times wider than those of the others. They would leave the other channels
few of the 256 values. So each channel of a layer's input is divided by a factor that makes all channels about
equally wide, and the layer's weights are multiplied by it; see Xiao et al., "SmoothQuant: Accurate and Efficient
Post-Training Quantization for Large Language Models" (2023).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.functional import linear
from transformers import PreTrainedModel

# How much of the channels' differences goes into the weights, within [0, 1]. Measured, see bench/README.md.
SMOOTHING = 0.95
# To measure ranges, windows are read until they have this many tokens in total. More tokens change little, and
# take half a minute with a model of base size.
MAX_TOKENS = 8_000
# The smallest width of a range; a range of width zero would have no scale.
SMALLEST = 1e-5


class Ranges:
    """The smallest and largest values that each channel of a layer's input had; 0 is always among the values."""

    def __init__(self, channels: int) -> None:
        self.low = torch.zeros(channels)
        self.high = torch.zeros(channels)

    def add(self, inputs: torch.Tensor) -> None:
        """Widen the ranges to those of an input, [..., channels]."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        self.low = torch.minimum(self.low, rows.amin(0))
        self.high = torch.maximum(self.high, rows.amax(0))


class RoundedLinear(nn.Module):
    """A linear layer that can be computed in int8: inputs are rounded to 256 values, weights to 255."""

    _inverse_factors: torch.Tensor
    _weights: torch.Tensor
    _weight_scales: torch.Tensor
    _weight_zeros: torch.Tensor

    def __init__(self, layer: nn.Linear, ranges: Ranges) -> None:
        super().__init__()
        width = torch.maximum(-ranges.low, ranges.high).clamp(min=SMALLEST)
        weights = layer.weight.detach()
        factors = width**SMOOTHING / weights.abs().amax(0).clamp(min=SMALLEST) ** (1 - SMOOTHING)
        low, high = float((ranges.low / factors).min()), float((ranges.high / factors).max())
        self._scale = max((high - low) / 255, SMALLEST)
        self._zero = round(-low / self._scale)
        self._bias = layer.bias
        weights = weights * factors
        self.register_buffer("_inverse_factors", 1 / factors)
        self.register_buffer("_weights", weights)
        self.register_buffer("_weight_scales", weights.abs().amax(1).clamp(min=SMALLEST) / 127)
        self.register_buffer("_weight_zeros", torch.zeros(len(weights), dtype=torch.int32))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs, [..., outputs], for inputs, [..., channels]."""
        rounded = torch.fake_quantize_per_tensor_affine(
            inputs * self._inverse_factors, self._scale, self._zero, 0, 255
        )
        weights = torch.fake_quantize_per_channel_affine(
            self._weights, self._weight_scales, self._weight_zeros, 0, -127, 127
        )
        return linear(rounded, weights, self._bias)


def round_layers(
    model: PreTrainedModel,
    windows: Sequence[Sequence[int]],
    rounded: type[RoundedLinear] = RoundedLinear,
    *,
    keep_lossy: bool = False,
) -> None:
    """Replace the linear layers of a model's encoder by rounded ones; the head stays as it is.

    windows: token ids of texts like those that the model will read; at least one. rounded: the form of the rounded
    layers. keep_lossy: whether to keep the layers that lose most accuracy. They are the second ones of the
    feed-forward layers, whose inputs are spread most widely.
    """
    layers = {
        name: module
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.Linear) and not (keep_lossy and module.in_features > module.out_features)
    }
    ranges = {name: Ranges(layer.in_features) for name, layer in layers.items()}
    with torch.inference_mode(), _watched(layers, ranges):
        tokens = 0
        for window in windows:
            ids = torch.tensor([list(window)])
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
            tokens += len(window)
            if tokens >= MAX_TOKENS:
                break
    for name, layer in layers.items():
        parent, _, own_name = name.rpartition(".")
        setattr(model.base_model.get_submodule(parent), own_name, rounded(layer, ranges[name]))


@contextmanager
def _watched(layers: dict[str, nn.Linear], ranges: dict[str, Ranges]) -> Iterator[None]:
    def watch(name: str, layer: nn.Linear) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_pre_hook(lambda _, inputs: ranges[name].add(inputs[0]))

    handles = [watch(name, layer) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
