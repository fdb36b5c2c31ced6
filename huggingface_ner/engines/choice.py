"""Which engine serves a model: what the settings ask for, what the hardware does fast, and what agrees."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines import hardware
from huggingface_ner.engines.agreement import Trial

# Why an engine serves that a caller has named.
REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that serves a model, and why it does."""

    kind: EngineKind
    reason: str


def candidates(preference: EnginePreference, device: str) -> tuple[list[EngineKind], str]:
    """Return the engines to try before torch in float32, the fastest first, and why there are no others.

    device: "cpu" or "cuda"; ONNX Runtime is used on the CPU alone.
    """
    if device == "cuda":
        bf16 = EngineKind("torch", "bf16")
        offered = [bf16] if preference.precision == "bf16" else [EngineKind("torch", "fp16")]
        what = "CUDA runs torch only, in fp16 or bf16"
    else:
        offered = [EngineKind("onnx", "fp32")]
        if hardware.has_fast_bf16():
            offered.insert(0, EngineKind("torch", "bf16"))
        if hardware.has_fast_int8():
            offered[:0] = [EngineKind("onnx", "int8"), EngineKind("onnx", "mixed")]
        what = f"this processor is fast in {', '.join(dict.fromkeys(kind.precision for kind in offered))}"
    asked = [
        kind
        for kind in offered
        if preference.engine in ("auto", kind.engine)
        and preference.precision in ("auto", "int8" if kind.precision == "mixed" else kind.precision)
    ]
    if asked or (preference.engine != "onnx" and preference.precision in ("auto", "fp32")):
        return asked, what
    return (
        [],
        f"INFERENCE_ENGINE={preference.engine}, INFERENCE_PRECISION={preference.precision} is not used: {what}",
    )


def choose(preference: EnginePreference, device: str, trials: Sequence[Trial]) -> EngineChoice | None:
    """Return the first candidate that agreed, else torch in float32; None where one has yet to be tried."""
    asked, why = candidates(preference, device)
    tried = {trial.kind: trial for trial in trials}
    failed: list[str] = []
    for kind in asked:
        trial = tried.get(kind)
        if trial is None:
            return None
        if trial.passes(preference.min_agreement):
            return EngineChoice(kind, "; ".join([*failed, str(trial), why]))
        failed.append(f"{trial}, which is not enough")
    return EngineChoice(TORCH_FP32, "; ".join([*failed, why]))
