"""Names of engines: a library, the precision it computes in, and what the settings prefer."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

# Every engine there is: NAME is implemented in huggingface_ner/engines/NAME_engine.py, see engines.engine.
EngineName = Literal["torch", "onnx"]
# mixed: int8, except for the matrix products that lose most by it
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
