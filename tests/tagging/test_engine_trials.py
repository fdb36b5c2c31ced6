"""An engine is used only if it finds the same spans as PyTorch in float32."""

import json
from pathlib import Path

import pytest

from huggingface_ner.engine_kinds import TORCH_FP32, EnginePreference
from huggingface_ner.engines import onnx_engine, onnx_export, openvino_engine
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.gpu_memory import GpuMemoryError
from huggingface_ner.engines.layouts import Batch, LogProbabilities
from huggingface_ner.engines.onnx_engine import OnnxEngine
from huggingface_ner.engines.prepared import engine_folder
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.engines.torch_engine import TorchFamily
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared, load_torch_tagger
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS


def test_a_published_model_is_served_by_what_agreed(
    news_model: Path, tmp_path: Path, all_is_fast: None, caplog: pytest.LogCaptureFixture
) -> None:
    fp32 = load_torch_tagger(news_model, "cpu")
    texts = [*SAMPLE_TEXTS]
    samples = [
        AnnotatedText(str(number), text, tuple(Span(s.start, s.end, s.label) for s in spans))
        for number, (text, spans) in enumerate(zip(texts, fp32.find_spans(texts), strict=True))
    ]
    with caplog.at_level("INFO"):
        found = prepare_engine(
            news_model, samples, preference=EnginePreference("onnx"), device="cpu", into=tmp_path
        )
    assert "is chosen" in caplog.text
    assert json.loads(json.dumps(found)) == found
    tagger = load_prepared(news_model, "cpu", EnginePreference("onnx"), tmp_path)
    assert tagger is not None
    assert (str(tagger.choice.kind), tagger.choice.reason) == (found["engine"], found["reason"])
    assert tagger.choice.kind.engine == "onnx" or tagger.choice.kind == TORCH_FP32
    assert evaluate(fp32.find_spans(texts), tagger.find_spans(texts)).overall.f1 >= 0.95
    assert tagger.labels == fp32.labels
    assert load_prepared(news_model, "cpu", EnginePreference("torch", "bf16"), tmp_path) is None, (
        "this engine was not tried"
    )


def test_an_engine_that_disagrees_is_not_used(
    tiny_bert: Path, tmp_path: Path, all_is_fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(OnnxEngine):
        def log_probabilities(self, batch: Batch) -> list[LogProbabilities]:
            return [row[..., ::-1] for row in super().log_probabilities(batch)]

    monkeypatch.setattr(onnx_engine, "OnnxEngine", Wrong)
    found = prepare_engine(tiny_bert, preference=EnginePreference("onnx"), device="cpu", into=tmp_path)
    assert found["engine"] == "torch fp32"
    assert "onnx int8 agrees with float32 to 0." in str(found["reason"])
    assert not list(engine_folder(tmp_path).glob("*.onnx"))
    tagger = load_prepared(tiny_bert, "cpu", EnginePreference("onnx"), tmp_path)
    assert tagger is not None
    assert tagger.choice.kind == TORCH_FP32


def test_a_model_that_cannot_be_exported_is_served_by_torch(
    tiny_bert: Path, tmp_path: Path, all_is_fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this is step 1 of 3") from ValueError("no such operator\nand a long story")

    monkeypatch.setattr(onnx_export, "export", fail)
    monkeypatch.setattr(openvino_engine, "convert", fail)
    found = prepare_engine(tiny_bert, preference=EnginePreference(min_agreement=0.0), device="cpu", into=tmp_path)
    assert found["engine"] == "torch bf16"
    for kind in ("onnx int8", "openvino bf16"):
        assert f"{kind} cannot run the model: no such operator" in str(found["reason"])


def test_a_full_gpu_says_nothing_about_an_engine(
    tiny_bert: Path, tmp_path: Path, all_is_fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise GpuMemoryError("too little memory of the GPU is free", 30.0)

    monkeypatch.setattr(TorchFamily, "load", fail)
    with pytest.raises(GpuMemoryError):
        prepare_engine(tiny_bert, preference=EnginePreference("torch"), device="cpu", into=tmp_path)
    assert load_prepared(tiny_bert, "cpu", EnginePreference("torch"), tmp_path) is None, "nothing is recorded"


def test_a_model_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no token-classification head"):
        prepare_engine(packaged_encoder(), device="cpu", into=tmp_path)


def test_a_tiny_model_of_each_kind_is_prepared(tmp_path: Path, tiny_model: Path, all_is_fast: None) -> None:
    found = prepare_engine(tiny_model, preference=EnginePreference(precision="fp32"), device="cpu", into=tmp_path)
    assert found["engine"] == "openvino fp32"
    texts = ["Anna Kovács flew to Zürich.", "", "word " * 300]
    tagger = load_prepared(tiny_model, "cpu", EnginePreference(precision="fp32"), tmp_path)
    assert tagger is not None
    assert (
        evaluate(load_torch_tagger(tiny_model, "cpu").find_spans(texts), tagger.find_spans(texts)).overall.f1
        > 0.99
    )
