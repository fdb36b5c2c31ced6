"""The names of engines and of their precisions, and the engine that the settings request."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

# All engines. NAME is implemented in huggingface_ner/engines/NAME_engine.py; see engines.engine.
EngineName = Literal["openvino", "torch", "onnx"]
# mixed: int8, except for the layers that would lose most accuracy
Precision = Literal["fp32", "bf16", "fp16", "int8", "mixed"]
EngineSetting = Literal["auto", EngineName]
PrecisionSetting = Literal["auto", "fp32", "bf16", "int8"]


class EngineKind(NamedTuple):
    """A library and the precision it computes in."""

    engine: EngineName
    precision: Precision

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


TORCH_FP32 = EngineKind("torch", "fp32")


@dataclass(frozen=True, slots=True)
class EnginePreference:
    """The settings INFERENCE_ENGINE, INFERENCE_PRECISION and INFERENCE_AGREEMENT."""

    engine: EngineSetting = "auto"
    precision: PrecisionSetting = "auto"
    min_agreement: float = 0.95
