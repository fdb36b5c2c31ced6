"""The fastest engine is chosen among those that the settings allow and whose spans agree."""

from typing import Any

import pytest

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines import hardware
from huggingface_ner.engines.agreement import Trial
from huggingface_ner.engines.choice import candidates, choose

INT8, MIXED = EngineKind("openvino", "int8"), EngineKind("openvino", "mixed")
ONNX_INT8 = EngineKind("onnx", "int8")
BF16 = EngineKind("openvino", "bf16")


def test_what_the_hardware_is_fast_in_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(flags: set[str], *preference: Any, device: str = "cpu") -> list[str]:
        monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset(flags))
        return [str(kind) for kind in candidates(EnginePreference(*preference), device)[0]]

    both = {"avx512_vnni", "avx512_bf16"}
    fp32 = ["openvino fp32", "onnx fp32"]
    assert tried(both) == [
        "openvino int8",
        "openvino mixed",
        "openvino bf16",
        "onnx int8",
        "torch bf16",
        "onnx mixed",
        *fp32,
    ]
    assert tried({"asimddp", "bf16"}) == ["onnx int8", "torch bf16", "onnx mixed", *fp32], "on ARM"
    assert tried({"avx2"}) == fp32
    assert tried(both, "torch") == ["torch bf16"]
    assert tried(both, "openvino") == ["openvino int8", "openvino mixed", "openvino bf16", "openvino fp32"]
    assert tried(both, "onnx") == ["onnx int8", "onnx mixed", "onnx fp32"]
    assert tried(both, "auto", "fp32") == fp32
    assert tried(both, "torch", "fp32") == []
    assert tried(set(), device="cuda") == ["torch fp16"]
    assert tried(set(), "auto", "bf16", device="cuda") == ["torch bf16"]


@pytest.mark.parametrize(
    ("preference", "device"), [(("auto", "bf16"), "cpu"), (("auto", "int8"), "cpu"), (("onnx", "auto"), "cuda")]
)
def test_what_cannot_be_had_is_said(
    preference: tuple[Any, Any], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx2"}))
    choice = choose(EnginePreference(*preference), device, ())
    assert choice is not None
    assert choice.kind == TORCH_FP32
    assert f"INFERENCE_ENGINE={preference[0]}, INFERENCE_PRECISION={preference[1]} is not used" in choice.reason


def test_the_first_that_agrees_is_chosen(all_is_fast: None) -> None:
    preference = EnginePreference()
    assert choose(preference, "cpu", ()) is None, "no engine has been tried yet"
    good, bad, worse = Trial(BF16, 0.99), Trial(INT8, 0.93), [Trial(kind, 0.92) for kind in (MIXED, ONNX_INT8)]
    assert choose(preference, "cpu", (bad,)) is None
    choice = choose(preference, "cpu", (bad, *worse, good))
    assert choice is not None
    assert choice.kind == BF16
    assert "0.930, which is not enough" in choice.reason
    lenient = choose(EnginePreference(min_agreement=0.9), "cpu", (bad, good))
    assert lenient is not None
    assert lenient.kind == INT8
