"""A model is served by the engine that was prepared for it, or by PyTorch if none was prepared."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EngineName, EnginePreference, Precision
from huggingface_ner.engines.agreement import Trial
from huggingface_ner.engines.prepared import engine_folder, read_record, write_record
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared, load_tagger
from tests import ROOT
from tests.tiny_models import save_tiny_model

OPENVINO = EngineKind("openvino", "fp32")
# Loads the model from the folder in the first argument. Prints its engine, and whether PyTorch and transformers
# were imported.
WITHOUT_PYTORCH = """
import sys
from huggingface_ner.engine_kinds import EnginePreference
from huggingface_ner.tagging.loading import load_tagger

tagger = load_tagger(sys.argv[1], device="cpu", preference=EnginePreference(sys.argv[2], "fp32", 0.0))
tagger.find_spans(["Anna flew to Zürich."])
print(tagger.choice.kind, "torch" in sys.modules, "transformers" in sys.modules)
"""


def test_damaged_records_are_as_none(tiny_bert: Path, tmp_path: Path) -> None:
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None
    engine_folder(tmp_path).mkdir()
    (engine_folder(tmp_path) / "engine.json").write_text("{")
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None


def test_a_folder_serves_as_it_was_prepared(tmp_path: Path, all_is_fast: None) -> None:
    folder = save_tiny_model(tmp_path / "model", "bert")
    assert load_tagger(folder, device="cpu").choice.reason == "no other engine has been tried"
    prepare_engine(folder, preference=EnginePreference(precision="fp32"), device="cpu")
    assert load_tagger(folder, device="cpu", preference=EnginePreference(precision="fp32")).choice.kind == OPENVINO
    assert (
        load_tagger(folder, device="cpu", preference=EnginePreference("torch", "fp32")).choice.kind == TORCH_FP32
    )


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_prepared_model_needs_no_pytorch(tiny_bert: Path, tmp_path: Path, engine: EngineName) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "model")
    prepare_engine(folder, preference=EnginePreference(engine, "fp32", 0.0), device="cpu")
    command = [sys.executable, "-c", WITHOUT_PYTORCH, str(folder), engine]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == [engine, "fp32", "False", "False"]


@pytest.mark.parametrize("precision", ["int8", "mixed"])
def test_int8_of_release_0_1_0_is_not_used(
    tiny_bert: Path, tmp_path: Path, precision: Precision, all_is_fast: None
) -> None:
    """Its ranges were measured over each batch, so a text's spans depended on the other texts."""
    kind = EngineKind("onnx", precision)
    prepare_engine(tiny_bert, preference=EnginePreference("onnx", "fp32", 0.0), device="cpu", into=tmp_path)
    place = engine_folder(tmp_path)
    (place / "model.fp32.onnx").rename(place / f"model.{precision}.onnx")
    record = read_record(tmp_path)
    assert record is not None
    trials = [Trial(EngineKind("onnx", "int8"), error="no"), Trial(kind, agreement=1.0)]
    write_record(record.model_copy(update={"trials": trials[-1:] if precision == "int8" else trials}), tmp_path)
    assert load_prepared(tiny_bert, "cpu", EnginePreference("onnx", "int8"), tmp_path) is None


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_damaged_engine_files_are_as_none(
    tiny_bert: Path, tmp_path: Path, engine: EngineName, caplog: pytest.LogCaptureFixture
) -> None:
    preference = EnginePreference(engine, "fp32", 0.0)
    prepare_engine(tiny_bert, preference=preference, device="cpu", into=tmp_path)
    assert load_prepared(tiny_bert, "cpu", preference, tmp_path) is not None
    for file in sorted(engine_folder(tmp_path).iterdir()):
        whole = file.read_bytes()
        for content in (b"", b"\x00\xff" * 50, whole[: len(whole) // 2], None):
            caplog.clear()
            file.unlink() if content is None else file.write_bytes(content)
            assert load_prepared(tiny_bert, "cpu", preference, tmp_path) is None
            is_told = f"its {engine} fp32 engine cannot be loaded" in caplog.text
            assert is_told or content is None or file.name == "engine.json"
        file.write_bytes(whole)
