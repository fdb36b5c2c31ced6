"""Chooses a model's engine: the settings must allow it, it must run fast here, and its spans must agree."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines.agreement import Trial
from huggingface_ner.engines.families import FAMILIES

# The order in which engines are tried. Engines that the hardware does not run fast are not tried. The order was
# measured, see bench/README.md.
FASTEST_FIRST = (
    EngineKind("openvino", "int8"),
    EngineKind("openvino", "mixed"),
    EngineKind("openvino", "bf16"),
    EngineKind("onnx", "int8"),
    EngineKind("torch", "fp16"),
    EngineKind("torch", "bf16"),
    EngineKind("onnx", "mixed"),
    EngineKind("openvino", "fp32"),
    EngineKind("onnx", "fp32"),
)
# The reason given for an engine that the caller has named.
REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that serves a model, and why it does."""

    kind: EngineKind
    reason: str


def candidates(preference: EnginePreference, device: str) -> tuple[list[EngineKind], str]:
    """Return the kinds to try before torch in float32, the fastest first, and why there are no others.

    device: "cpu" or "cuda".
    """
    offered = [kind for family in FAMILIES.values() for kind in family.offers(device)]
    offered.sort(key=FASTEST_FIRST.index)
    machine = "this processor" if device == "cpu" else device
    what = f"{machine} is fast in {', '.join(map(str, offered)) or 'torch fp32 only'}"
    fitting = [kind for kind in offered if _fits(kind, preference)]
    if preference.precision == "auto":
        # bf16 is no faster than fp16, and its rounding error is eight times as large. If there is fp16, bf16 is
        # tried only on request.
        coarser = {kind._replace(precision="bf16") for kind in fitting if kind.precision == "fp16"}
        fitting = [kind for kind in fitting if kind not in coarser]
    if fitting or _fits(TORCH_FP32, preference):
        return fitting, what
    return (
        [],
        f"INFERENCE_ENGINE={preference.engine}, INFERENCE_PRECISION={preference.precision} is not used: {what}",
    )


def _fits(kind: EngineKind, preference: EnginePreference) -> bool:
    precision = "int8" if kind.precision == "mixed" else kind.precision
    return preference.engine in ("auto", kind.engine) and preference.precision in ("auto", precision)


def choose(preference: EnginePreference, device: str, trials: Sequence[Trial]) -> EngineChoice | None:
    """Return the first candidate that agreed, or torch in float32 if none did; None if one has yet to be tried."""
    kinds, why = candidates(preference, device)
    tried = {trial.kind: trial for trial in trials}
    failed: list[str] = []
    for kind in kinds:
        trial = tried.get(kind)
        if trial is None:
            return None
        if trial.passes(preference.min_agreement):
            return EngineChoice(kind, "; ".join([*failed, str(trial), why]))
        failed.append(f"{trial}, which is not enough")
    return EngineChoice(TORCH_FP32, "; ".join([*failed, why]))
