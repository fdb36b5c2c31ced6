"""The export gives the same output as the model."""

from pathlib import Path

import numpy as np

from huggingface_ner.engines.layouts import LogProbabilities
from huggingface_ner.engines.onnx_engine import OnnxEngine, export, quantize
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine

BATCH = [[2, 9, 8, 7, 6, 5, 4], [2, 5, 6], [2, *range(5, 30)]]


def _probabilities(rows: list[LogProbabilities]) -> LogProbabilities:
    assert [len(row) for row in rows] == [len(ids) for ids in BATCH]
    return np.asarray(np.exp(np.concatenate(rows)))


def test_the_export_says_what_the_model_says(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)[0]
    wanted = _probabilities(TorchEngine(model).log_probabilities(BATCH))
    export(model, tmp_path / "fp32.onnx")
    pad_id = model.config.pad_token_id
    exact = _probabilities(OnnxEngine(tmp_path / "fp32.onnx", "fp32", pad_id).log_probabilities(BATCH))
    np.testing.assert_allclose(exact, wanted, atol=1e-5)
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", "int8")
    near = _probabilities(OnnxEngine(tmp_path / "int8.onnx", "int8", pad_id).log_probabilities(BATCH))
    assert np.abs(near - wanted).mean() < 0.1
    half = _probabilities(TorchEngine(load_model(tiny_model)[0], "bf16").log_probabilities(BATCH))
    assert np.abs(half - wanted).mean() < 0.1


def test_rows_are_distributions(news_model: Path, tmp_path: Path) -> None:
    """The model is the packaged encoder after a training."""
    model = load_model(news_model)[0]
    export(model, tmp_path / "fp32.onnx")
    rows = OnnxEngine(tmp_path / "fp32.onnx", "fp32", 0).log_probabilities(BATCH)
    np.testing.assert_allclose(_probabilities(rows).sum(axis=-1), 1.0, atol=1e-5)
