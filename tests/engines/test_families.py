"""An engine needs only one file: its family says which kinds it offers, and prepares and loads them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from huggingface_ner.engine_kinds import EngineKind, EnginePreference
from huggingface_ner.engines import hardware
from huggingface_ner.engines.engine import Engine, EngineSource
from huggingface_ner.engines.families import FAMILIES
from huggingface_ner.engines.layouts import LogProbabilities, Padded
from huggingface_ner.engines.onnx_engine import OnnxFamily
from huggingface_ner.engines.prepared import engine_folder
from huggingface_ner.engines.torch_engine import TorchFamily
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared

PRETEND = EngineKind("onnx", "fp32")


class PretendEngine:
    """Returns what PyTorch returns, and has the name that it was prepared with."""

    kind = PRETEND
    layout = Padded(0)
    tokens_per_batch = 64

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def log_probabilities(self, batch: Sequence[Sequence[int]]) -> list[LogProbabilities]:
        return self._engine.log_probabilities(batch)


class PretendFamily:
    def offers(self, device: str) -> list[EngineKind]:
        return [PRETEND]

    def prepare(self, kind: EngineKind, source: EngineSource) -> list[str]:
        (source.folder / "scratch").write_text("for the preparation alone")
        (source.folder / "pretend.txt").write_text(f"{kind} on {source.device}")
        return ["pretend.txt"]

    def load(self, kind: EngineKind, source: EngineSource) -> PretendEngine:
        name = (source.folder / "pretend.txt").read_text()
        return PretendEngine(TorchFamily().load(EngineKind("torch", "fp32"), source), name)


def test_a_further_engine_is_tried_kept_and_loaded(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "onnx", PretendFamily())
    preference = EnginePreference("onnx")
    found = prepare_engine(tiny_bert, preference=preference, device="cpu", into=tmp_path)
    assert found["engine"] == str(PRETEND)
    kept = sorted(path.name for path in engine_folder(tmp_path).iterdir())
    assert kept == ["engine.json", "pretend.txt", "tokenizer.json"]
    tagger = load_prepared(tiny_bert, "cpu", preference, tmp_path)
    assert tagger is not None
    engine = tagger._current[0]  # noqa: SLF001 - nothing public shows the engine
    assert isinstance(engine, PretendEngine)
    assert engine.name == "onnx fp32 on cpu"
    (engine_folder(tmp_path) / "pretend.txt").unlink()
    assert load_prepared(tiny_bert, "cpu", preference, tmp_path) is None, "the engine's file was deleted"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_families_offer_kinds_of_their_own(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx512_vnni", "avx512_bf16"}))
    for name, family in FAMILIES.items():
        assert {kind.engine for kind in family.offers(device)} <= {name}
    assert any(family.offers(device) for family in FAMILIES.values())


def test_an_export_that_was_not_prepared_is_named(tmp_path: Path) -> None:
    source = EngineSource(tmp_path, "cpu", 0, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.static\.int8\.onnx: this export has not been prepared"):
        OnnxFamily().load(EngineKind("onnx", "int8"), source)
