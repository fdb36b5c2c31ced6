"""The names of engines and of their precisions, and the engine that the settings request."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

# All engines. NAME is implemented in huggingface_ner/engines/NAME_engine.py; see engines.engine.
EngineName = Literal["openvino", "torch", "onnx"]
# mixed: int8, except for the layers that would lose most accuracy
Precision = Literal["fp32", "bf16", "fp16", "int8", "mixed"]
# the precisions for which layers are rounded to integers
ROUNDED: tuple[Precision, ...] = ("int8", "mixed")
EngineSetting = Literal["auto", EngineName]
PrecisionSetting = Literal["auto", "fp32", "bf16", "int8"]
# Pairs of an engine and a precision that users can request, but the engine does not offer.
UNSUPPORTED_PRECISIONS: tuple[tuple[EngineName, PrecisionSetting], ...] = (("torch", "int8"), ("onnx", "bf16"))


def _precision_needs() -> str:
    needs = []
    for precision in dict.fromkeys(precision for _, precision in UNSUPPORTED_PRECISIONS):
        *others, last = (name for name in get_args(EngineName) if (name, precision) not in UNSUPPORTED_PRECISIONS)
        needs.append(f"{precision} needs {' or '.join([', '.join(others), last] if others else [last])}")
    return ", ".join(needs)


# Which engines offer the precisions that not all engines offer, as part of a sentence.
PRECISION_NEEDS = _precision_needs()


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
