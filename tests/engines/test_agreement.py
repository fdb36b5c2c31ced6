"""The conditions under which an engine agrees with float32."""

import pytest

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.engines.agreement import compare
from huggingface_ner.spans import Span

INT8 = EngineKind("onnx", "int8")
ONNX = EngineKind("onnx", "fp32")


def test_half_a_point_of_f1_may_be_lost() -> None:
    gold = [[Span(0, 1, "A")] for _ in range(1000)]
    ours = [*gold[:994], *([[]] * 6)]
    trial = compare(INT8, ours, gold, gold)
    assert trial.f1 == pytest.approx(0.99699, abs=1e-4)
    assert trial.passes(0.95)
    worse = compare(INT8, [*gold[:988], *([[]] * 12)], gold, gold)
    assert worse.agreement > 0.95
    assert not worse.passes(0.95)
    assert compare(INT8, ours, gold, []).passes(0.95)


def test_agreement_is_span_f1() -> None:
    a, b = Span(0, 1, "A"), Span(2, 3, "A")
    assert compare(ONNX, [[a, b]], [[a]], []).agreement == pytest.approx(2 / 3)
    assert compare(ONNX, [[a]], [[Span(0, 1, "B")]], []).agreement == 0.0
    assert compare(ONNX, [[]], [[]], []).agreement == 1.0
