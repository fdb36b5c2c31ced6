"""The export gives the same output as the model, in any batch."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings

from huggingface_ner.engine_kinds import EngineKind, Precision
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.layouts import Batch, Packed, Padded
from huggingface_ner.engines.onnx_engine import FAMILY, OnnxEngine
from huggingface_ner.engines.onnx_export import export
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine
from tests.engines.batches import WINDOWS, assert_batch_does_not_matter, long_batch, probabilities
from tests.tiny_models import KINDS, save_tiny_model


@pytest.mark.parametrize(
    ("kind", "precisions"),
    # an export takes seconds, so not all pairs are tried
    [("bert", ["fp32", "int8", "mixed"]), *((kind, ["fp32"]) for kind in KINDS[1:]), ("modernbert", ["int8"])],
)
def test_the_export_says_what_the_model_says(kind: str, precisions: list[Precision], tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", kind)
    model = load_model(folder)[0]
    batch = long_batch(window_length(model))
    wanted = probabilities(TorchEngine(model).log_probabilities(batch), batch)
    source = EngineSource(folder, "cpu", model.config.pad_token_id, tmp_path, batch)
    kinds = [EngineKind("onnx", precision) for precision in precisions]
    files = [name for each in kinds for name in FAMILY.prepare(each, source)]
    assert len(set(files)) == len(files) == len(kinds)
    for each in kinds:
        engine = FAMILY.load(each, source)
        assert isinstance(engine.layout, Packed if kind in ("bert", "roberta", "xlm-roberta") else Padded)
        found = probabilities(engine.log_probabilities(batch), batch)
        if each.precision == "fp32":
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        else:
            assert np.abs(found - wanted).mean() < 0.1


@pytest.fixture(
    scope="module", params=[("bert", "fp32"), ("bert", "int8"), ("deberta", "fp32"), ("deberta", "int8")]
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OnnxEngine:
    """An engine for a packed or a padded model."""
    kind, precision = request.param
    folder = tmp_path_factory.mktemp(kind)
    export(load_model(save_tiny_model(folder, kind))[0], folder / "model.onnx", precision, long_batch(38))
    return OnnxEngine(folder / "model.onnx", precision, 1)


@settings(max_examples=50, deadline=None)
@given(batch=WINDOWS)
def test_what_is_said_of_a_window_does_not_depend_on_its_batch(engine: OnnxEngine, batch: Batch) -> None:
    assert_batch_does_not_matter(engine, batch)


def test_products_are_computed_in_int8(tmp_path: Path) -> None:
    """ONNX Runtime has to recognise each rounded layer; if it did not, it would compute it in float32."""
    export(load_model(save_tiny_model(tmp_path, "bert"))[0], tmp_path / "model.onnx", "int8", long_batch(38))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(tmp_path / "model.onnx", options, providers=["CPUExecutionProvider"])
    names = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert names.count("MatMulIntegerToFloat") == 6
    assert "DequantizeLinear" not in names


def test_rows_are_distributions(news_model: Path, tmp_path: Path) -> None:
    """The model is the packaged encoder after a training."""
    batch = long_batch(30)
    export(load_model(news_model)[0], tmp_path / "model.onnx", "int8", batch)
    rows = OnnxEngine(tmp_path / "model.onnx", "int8", 0).log_probabilities(batch)
    np.testing.assert_allclose(probabilities(rows, batch).sum(axis=-1), 1.0, atol=1e-5)
