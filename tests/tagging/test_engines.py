"""Every engine says what float32 says; one that does not is not used."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from huggingface_ner.engine_kinds import TORCH_FP32, EngineKind, EnginePreference
from huggingface_ner.engines import hardware
from huggingface_ner.engines.agreement import Trial, compare
from huggingface_ner.engines.choice import candidates, choose
from huggingface_ner.engines.engine import TorchEngine
from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.onnx_engine import OnnxEngine, export, quantize
from huggingface_ner.engines.prepared import engine_folder, load_prepared
from huggingface_ner.engines.pretrained import load_model, packaged_encoder
from huggingface_ner.scores import evaluate
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging import engine_trials
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.sample_texts import SAMPLE_TEXTS
from huggingface_ner.tagging.tagger import Tagger
from tests.tiny_models import save_tiny_model

INT8, MIXED, ONNX = (EngineKind("onnx", precision) for precision in ("int8", "mixed", "fp32"))
BF16 = EngineKind("torch", "bf16")
BATCH = [[2, 9, 8, 7, 6, 5, 4], [2, 5, 6], [2, *range(5, 30)]]


@pytest.fixture
def all_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx512_vnni", "avx512_bf16"}))


def _probabilities(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    assert [len(row) for row in rows] == [len(ids) for ids in BATCH]
    probabilities: NDArray[np.float32] = np.exp(np.concatenate(rows))
    return probabilities


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
    """Of the packaged encoder, trained."""
    model = load_model(news_model)[0]
    export(model, tmp_path / "fp32.onnx")
    rows = OnnxEngine(tmp_path / "fp32.onnx", "fp32", 0).log_probabilities(BATCH)
    np.testing.assert_allclose(_probabilities(rows).sum(axis=-1), 1.0, atol=1e-5)


def test_a_published_model_is_served_by_what_agreed(
    news_model: Path, tmp_path: Path, all_is_fast: None, caplog: pytest.LogCaptureFixture
) -> None:
    fp32 = Tagger.load_torch(news_model, "cpu")
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
    assert load_prepared(news_model, "cpu", EnginePreference("torch", "bf16"), tmp_path) is None, "not tried"


def test_an_engine_that_disagrees_is_not_used(
    tiny_bert: Path, tmp_path: Path, all_is_fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(OnnxEngine):
        def log_probabilities(self, batch: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
            return [row[..., ::-1] for row in super().log_probabilities(batch)]

    monkeypatch.setattr(engine_trials, "OnnxEngine", Wrong)
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
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(engine_trials, "export", fail)
    found = prepare_engine(tiny_bert, preference=EnginePreference(min_agreement=0.0), device="cpu", into=tmp_path)
    assert found["engine"] == "torch bf16"
    assert "onnx int8 cannot run the model: no such operator" in str(found["reason"])


def test_a_model_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no token-classification head"):
        prepare_engine(packaged_encoder(), device="cpu", into=tmp_path)


def test_what_the_hardware_is_fast_in_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(flags: set[str], *preference: Any, device: str = "cpu") -> list[str]:
        monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset(flags))
        return [str(kind) for kind in candidates(EnginePreference(*preference), device)[0]]

    both = {"avx512_vnni", "avx512_bf16"}
    assert tried(both) == ["onnx int8", "onnx mixed", "torch bf16", "onnx fp32"]
    assert tried({"avx2"}) == ["onnx fp32"]
    assert tried(both, "torch") == ["torch bf16"]
    assert tried(both, "onnx") == ["onnx int8", "onnx mixed", "onnx fp32"]
    assert tried(both, "auto", "fp32") == ["onnx fp32"]
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
    assert choose(preference, "cpu", ()) is None, "all have yet to be tried"
    good, bad, worse = Trial(BF16, 0.99), Trial(INT8, 0.93), Trial(MIXED, 0.92)
    assert choose(preference, "cpu", (bad,)) is None
    choice = choose(preference, "cpu", (bad, worse, good))
    assert choice is not None
    assert choice.kind == BF16
    assert "0.930, which is not enough" in choice.reason
    lenient = choose(EnginePreference(min_agreement=0.9), "cpu", (bad, good))
    assert lenient is not None
    assert lenient.kind == INT8


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


def test_damaged_records_are_as_none(tiny_bert: Path, tmp_path: Path) -> None:
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None
    engine_folder(tmp_path).mkdir()
    (engine_folder(tmp_path) / "engine.json").write_text("{")
    assert load_prepared(tiny_bert, "cpu", EnginePreference(), tmp_path) is None


def test_the_processors_flags_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    hardware.processor_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text("model name\t: x\nflags\t\t: fpu avx512_vnni\nbugs: none\n")
    assert (hardware.has_fast_int8(), hardware.has_fast_bf16()) == (True, False)
    hardware.processor_flags.cache_clear()
    (tmp_path / "cpuinfo").write_text("Features\t: asimddp bf16\n")
    assert (hardware.has_fast_int8(), hardware.has_fast_bf16()) == (True, True)
    hardware.processor_flags.cache_clear()


def test_threads_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert hardware.threads_for(8) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    assert [hardware.threads_for(workers) for workers in (1, 2, 3, 8, 100)] == [8, 4, 2, 1, 1]


def test_a_tiny_model_of_each_kind_is_prepared(tmp_path: Path, tiny_model: Path, all_is_fast: None) -> None:
    found = prepare_engine(tiny_model, preference=EnginePreference(precision="fp32"), device="cpu", into=tmp_path)
    assert found["engine"] == "onnx fp32"
    texts = ["Anna Kovács flew to Zürich.", "", "word " * 300]
    tagger = load_prepared(tiny_model, "cpu", EnginePreference(precision="fp32"), tmp_path)
    assert tagger is not None
    assert (
        evaluate(Tagger.load_torch(tiny_model, "cpu").find_spans(texts), tagger.find_spans(texts)).overall.f1
        > 0.99
    )


def test_a_folder_serves_as_it_was_prepared(tmp_path: Path, all_is_fast: None) -> None:
    folder = save_tiny_model(tmp_path / "model", "bert")
    assert Tagger.load(folder, device="cpu").choice.reason == "no other engine has been tried"
    prepare_engine(folder, preference=EnginePreference(precision="fp32"), device="cpu")
    assert Tagger.load(folder, device="cpu", preference=EnginePreference(precision="fp32")).choice.kind == ONNX
    assert (
        Tagger.load(folder, device="cpu", preference=EnginePreference("torch", "fp32")).choice.kind == TORCH_FP32
    )
