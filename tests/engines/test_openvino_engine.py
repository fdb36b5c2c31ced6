"""The conversion gives the same output as the model, in any batch and without PyTorch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from huggingface_ner.engine_kinds import EngineKind
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.layouts import Batch, Packed, Padded
from huggingface_ner.engines.openvino_engine import FAMILY, OpenvinoEngine, convert
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.engines.torch_engine import TorchEngine
from tests.engines.batches import WINDOWS, assert_batch_does_not_matter, long_batch, probabilities
from tests.tiny_models import KINDS, save_tiny_model

FP32, BF16 = EngineKind("openvino", "fp32"), EngineKind("openvino", "bf16")
ROUNDED = [EngineKind("openvino", "int8"), EngineKind("openvino", "mixed")]


@pytest.mark.parametrize("kind", [*KINDS, "modernbert"])
def test_the_conversion_says_what_the_model_says(kind: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", kind)
    model = load_model(folder)[0]
    batch = long_batch(window_length(model))
    wanted = probabilities(TorchEngine(model).log_probabilities(batch), batch)
    source = EngineSource(folder, "cpu", model.config.pad_token_id, tmp_path, batch)
    assert FAMILY.prepare(FP32, source) == FAMILY.prepare(BF16, source)
    files = [name for each in (FP32, *ROUNDED) for name in FAMILY.prepare(each, source)]
    assert len(set(files)) == len(files) == 6
    exact = FAMILY.load(FP32, source)
    assert isinstance(exact.layout, Packed if kind in ("bert", "roberta", "xlm-roberta") else Padded)
    np.testing.assert_allclose(probabilities(exact.log_probabilities(batch), batch), wanted, atol=1e-5)
    for other in (BF16, *ROUNDED):
        near = probabilities(FAMILY.load(other, source).log_probabilities(batch), batch)
        assert np.abs(near - wanted).mean() < 0.1


@pytest.fixture(
    scope="module", params=[("bert", "fp32"), ("bert", "int8"), ("deberta", "fp32"), ("deberta", "int8")]
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenvinoEngine:
    """An engine for a packed or a padded model; here int8 computes the layers that are not rounded in float32."""
    kind, precision = request.param
    folder = tmp_path_factory.mktemp(kind)
    model = load_model(save_tiny_model(folder, kind))[0]
    convert(model, folder / "model.xml", precision, long_batch(38))
    return OpenvinoEngine(folder / "model.xml", "fp32", 1)


@settings(max_examples=50, deadline=None)
@given(batch=WINDOWS)
def test_what_is_said_of_a_window_does_not_depend_on_its_batch(engine: OpenvinoEngine, batch: Batch) -> None:
    assert_batch_does_not_matter(engine, batch)


def test_rows_are_distributions(news_model: Path, tmp_path: Path) -> None:
    """The model is the packaged encoder after a training."""
    convert(load_model(news_model)[0], tmp_path / "model.xml")
    batch = long_batch(30)
    rows = OpenvinoEngine(tmp_path / "model.xml", "bf16", 0).log_probabilities(batch)
    np.testing.assert_allclose(probabilities(rows, batch).sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["model.openvino.xml", "model.openvino.bin"])
def test_a_conversion_that_was_not_prepared_is_named(tmp_path: Path, name: str) -> None:
    for file in {"model.openvino.xml", "model.openvino.bin"} - {name}:
        (tmp_path / file).write_text("")
    with pytest.raises(FileNotFoundError, match=f"{name}: the model has not been converted"):
        FAMILY.load(FP32, EngineSource(tmp_path, "cpu", 0, tmp_path))
