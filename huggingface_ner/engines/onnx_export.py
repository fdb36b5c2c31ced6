"""Exports a model for ONNX Runtime, in float32 or mostly in int8."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from huggingface_ner.engine_kinds import ROUNDED, Precision
from huggingface_ner.engines.layouts import Batch, Packed, Padded
from huggingface_ner.engines.plain_model import plain_model, quiet
from huggingface_ner.engines.static_int8 import Ranges, RoundedLinear, round_layers


class OnnxRoundedLinear(RoundedLinear):
    """A rounded layer in ONNX's operators, from which ONNX Runtime makes one product in int8."""

    _scale_tensor: torch.Tensor
    _zero_tensor: torch.Tensor
    _int8_weights: torch.Tensor

    def __init__(self, layer: nn.Linear, ranges: Ranges) -> None:
        super().__init__(layer, ranges)
        rounded = (self._weights / self._weight_scales[:, None]).round().clamp(-127, 127).T
        self.register_buffer("_int8_weights", rounded.to(torch.int8).contiguous())
        self._weight_zeros = self._weight_zeros.to(torch.int8)
        del self._weights
        self.register_buffer("_scale_tensor", torch.tensor(self._scale))
        self.register_buffer("_zero_tensor", torch.tensor(self._zero, dtype=torch.uint8))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs, [..., outputs], for inputs, [..., channels]; this can only be exported."""
        scaled = inputs * self._inverse_factors
        constants = (self._scale_tensor, self._zero_tensor)
        rounded = _symbolic("QuantizeLinear", (scaled, *constants), torch.uint8)
        found = _symbolic("DequantizeLinear", (rounded, *constants), torch.float32)
        scales = (self._weight_scales, self._weight_zeros)
        weights = _symbolic("DequantizeLinear", (self._int8_weights, *scales), torch.float32)
        outputs = torch.matmul(found, weights)
        return outputs if self._bias is None else outputs + self._bias


def _symbolic(name: str, inputs: tuple[torch.Tensor, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return the result of one of ONNX's operators, which has the shape of its first input."""
    return torch.onnx.ops.symbolic(name, inputs, {"axis": 1}, dtype=dtype, shape=inputs[0].shape)


def export(model: PreTrainedModel, path: Path, precision: Precision = "fp32", windows: Batch = ()) -> None:
    """Write a model, which is on the CPU and in float32, as ONNX; raises any exception of torch's exporter.

    precision: for int8 and mixed, the model's layers are rounded. windows: token ids of texts on which the ranges
    for rounding are measured, see static_int8.

    The export has the inputs of layouts.Packed if the model can be packed, and those of layouts.Padded if not. Its
    output is the logits, [rows, tokens, tags].
    """
    # eager, because fused attention is exported as more nodes, such as those for rows that are masked completely
    module, layout = plain_model(model, "eager")
    if precision in ROUNDED:
        round_layers(model, windows, OnnxRoundedLinear, keep_lossy=precision == "mixed")
    names = layout.INPUTS
    sizes = {1: torch.export.Dim("tokens")}
    if layout is Padded:
        sizes[0] = torch.export.Dim("windows")
    with quiet():
        torch.onnx.export(
            module,
            tuple(torch.ones((1 if layout is Packed else 2, 8), dtype=torch.int64) for _ in names),
            path,
            dynamo=True,
            input_names=names,
            output_names=["logits"],
            dynamic_shapes=tuple(sizes for _ in names),
            external_data=False,
            verbose=False,
        )
