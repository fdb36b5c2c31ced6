"""A model is served by the engine that was prepared for it, else by PyTorch."""

from pathlib import Path

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines.prepared import engine_folder
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared, load_tagger
from tests.tiny_models import save_tiny_model

ONNX = EngineKind("onnx", "fp32")


def test_damaged_records_are_as_none(tiny_bert: Path, tmp_path: Path) -> None:
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None
    engine_folder(tmp_path).mkdir()
    (engine_folder(tmp_path) / "engine.json").write_text("{")
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None


def test_a_folder_serves_as_it_was_prepared(tmp_path: Path, all_is_fast: None) -> None:
    folder = save_tiny_model(tmp_path / "model", "bert")
    assert load_tagger(folder, device="cpu").choice.reason == "no other engine has been tried"
    prepare_engine(folder, preference=EnginePreference(precision="fp32"), device="cpu")
    assert load_tagger(folder, device="cpu", preference=EnginePreference(precision="fp32")).choice.kind == ONNX
    assert (
        load_tagger(folder, device="cpu", preference=EnginePreference("torch", "fp32")).choice.kind == TORCH_FP32
    )
