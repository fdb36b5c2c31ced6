"""What needs an NVIDIA GPU. Only `pytest -m cuda` runs these tests, as `make gpu` does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.corpus import read_corpus
from huggingface_ner.engine_kinds import EngineKind, EnginePreference, Precision
from huggingface_ner.engines.engine import EngineSource
from huggingface_ner.engines.gpu_memory import GpuMemoryError
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.engines.torch_engine import TorchFamily
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.scores import evaluate
from huggingface_ner.serving.memory import give_memory_back
from huggingface_ner.serving.project_models import ProjectModels
from huggingface_ner.store import versions
from huggingface_ner.store.model_folder import save_model
from huggingface_ner.store.versions import ModelStore
from huggingface_ner.tagging.engine_trials import prepare_engine
from huggingface_ner.tagging.loading import load_prepared, load_torch_tagger
from tests.jobs.test_train import config, tasks
from tests.jobs.trainings import Trainings
from tests.label_studio_api import LabelStudioApi
from tests.waiting import until

pytestmark = pytest.mark.cuda

DEVICE = "cuda"
LABELS = ("LOC", "MISC", "ORG", "PER")
MEGABYTE = 1_000_000
# PyTorch keeps some memory until the process ends, for example the workspaces of cuBLAS.
KEPT = 64 * MEGABYTE
# Less than this is used by no process that computes on a GPU.
CONTEXT = 100 * MEGABYTE
GOLD = read_corpus(None, "test")
TEXTS = [*(text.text for text in GOLD), "", "word " * 3_000]
PROJECT = 7


@pytest.fixture(scope="module", autouse=True)
def _gpu() -> None:
    assert torch.cuda.is_available(), f"PyTorch {torch.__version__} finds no NVIDIA GPU"
    torch.ones(1, device=DEVICE)  # so this process's own context is in each measurement


@pytest.fixture(scope="module")
def gpu_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that was trained on examples/news, on the GPU."""
    torch.cuda.reset_peak_memory_stats()
    short = [text for text in GOLD if len(text.text) < 2_000]
    trained = fine_tune(
        short, LABELS, packaged_encoder(), Hyperparameters(), match_labels=lambda _: {}, device=DEVICE
    )
    assert torch.cuda.max_memory_allocated() > CONTEXT, "the training ran on the GPU"
    folder = tmp_path_factory.mktemp("models") / "gpu"
    save_model(*trained, folder)
    return folder


def _used() -> int:
    """Return how many bytes of the GPU are in use, by all processes."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def test_a_training_on_the_gpu_is_learned(gpu_model: Path) -> None:
    spans = load_torch_tagger(gpu_model, DEVICE).find_spans([text.text for text in GOLD])
    assert evaluate([text.spans for text in GOLD], spans).overall.f1 > 0.7


@pytest.mark.parametrize(("precision", "agreement"), [("fp32", 0.99), ("fp16", 0.98), ("bf16", 0.95)])
def test_the_gpu_finds_the_cpus_spans(
    precision: Precision, agreement: float, gpu_model: Path, tmp_path: Path
) -> None:
    tagger = load_torch_tagger(gpu_model, "cpu")
    engine = TorchFamily().load(EngineKind("torch", precision), EngineSource(gpu_model, DEVICE, 0, tmp_path))
    found, wanted = tagger.with_engine(engine).find_spans(TEXTS), tagger.find_spans(TEXTS)
    assert sum(map(len, wanted)) > 100
    assert evaluate(wanted, found).overall.f1 >= agreement


def test_an_engine_for_the_gpu_is_chosen(gpu_model: Path, tmp_path: Path) -> None:
    found: dict[str, Any] = prepare_engine(gpu_model, GOLD, device=DEVICE, into=tmp_path)
    assert found["engine"] == "torch fp16"
    tagger = load_prepared(gpu_model, DEVICE, EnginePreference(), tmp_path)
    assert tagger is not None
    assert str(tagger.choice.kind) == "torch fp16"
    assert any(tagger.find_spans(TEXTS))


def test_a_training_process_returns_its_memory(
    redis_url: str, label_studio_api: LabelStudioApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVICE", DEVICE)
    label_studio_api.add(PROJECT, config("PER", "LOC"), tasks(24))
    trainings = Trainings(redis_url, label_studio_api, packaged_encoder(), tmp_path)
    give_memory_back()
    before = peak = _used()

    def has_ended() -> bool:
        nonlocal peak
        peak = max(peak, _used())
        return trainings.state() in ("idle", "parked")

    trainings.queue.request_training(PROJECT)
    with trainings.worker():
        trainings.until(has_ended)
        assert trainings.ended()["status"] == "published"
        assert peak > before + CONTEXT, "the training used the GPU"
        until(lambda: _used() <= before + KEPT)


def test_a_replaced_model_returns_its_memory(
    gpu_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 1.5)
    store = ModelStore(tmp_path, keep=5)
    models = ProjectModels(lambda _: store, lambda version: load_torch_tagger(version.folder, DEVICE), 1)
    models.start()

    def reserved_with_a_new_version() -> int:
        """Publish a version, predict with it, and return PyTorch's memory when only this version is in memory."""
        name = store.publish(lambda folder: _copy(gpu_model, folder), {}).name
        models.model_for(PROJECT, 0)
        until(lambda: (served := models.model_for(PROJECT, 30)) is not None and served.version == name)
        until(lambda: [*models.taggers()] == [name])
        models.taggers()[name].find_spans(TEXTS[:8])
        return torch.cuda.memory_reserved()

    try:
        give_memory_back()  # what earlier tests have used
        first = reserved_with_a_new_version()
        assert [reserved_with_a_new_version() <= first + KEPT for _ in range(3)] == [True] * 3
        (tagger,) = models.taggers().values()
        tagger.find_spans(TEXTS * 20)  # large batches
        full = torch.cuda.memory_reserved()
        assert full > first + KEPT
        del tagger
        assert reserved_with_a_new_version() <= first + KEPT
    finally:
        models.close()


def _copy(model: Path, folder: Path) -> None:
    for file in model.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())


@pytest.fixture
def limit_memory() -> Iterator[Callable[[int], None]]:
    """Return a function that limits PyTorch's memory to what it uses now and a number of bytes more."""

    def limit(more: int) -> None:
        give_memory_back()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / total)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_batches_that_do_not_fit_are_halved(
    gpu_model: Path, limit_memory: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    tagger = load_torch_tagger(gpu_model, DEVICE)
    wanted = tagger.find_spans(TEXTS * 20)
    limit_memory(64 * MEGABYTE)
    found = tagger.find_spans(TEXTS * 20)
    assert "too little memory of the GPU is free to run" in caplog.text
    assert evaluate(wanted, found).overall.f1 >= 0.99


def test_a_model_that_does_not_fit_is_an_error(gpu_model: Path, limit_memory: Callable[[int], None]) -> None:
    limit_memory(0)
    with pytest.raises(GpuMemoryError, match=r"to load .*CUDA out of memory.*set DEVICE=cpu"):
        load_torch_tagger(gpu_model, DEVICE)


def test_a_training_that_does_not_fit_is_an_error(limit_memory: Callable[[int], None]) -> None:
    limit_memory(130 * MEGABYTE)  # the weights of the packaged encoder take 91 MB
    with pytest.raises(GpuMemoryError, match=r"to (train|load the baseline) .*CUDA out of memory"):
        fine_tune(GOLD, LABELS, packaged_encoder(), Hyperparameters(), match_labels=lambda _: {}, device=DEVICE)
