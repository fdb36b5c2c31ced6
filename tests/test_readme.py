"""The statements and examples of the README are true."""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from huggingface_ner.cli import main
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store import versions
from huggingface_ner.store.claims import claim_models
from huggingface_ner.store.versions import project_store, project_stores
from tests import ROOT
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi
from tests.waiting import until

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
HELP = ("serve", "worker", "status", "health", "train", "evaluate", "predict", "versions", "projects", "review")
COMMANDS = [
    line
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith(".venv/bin/python -m huggingface_ner")
]


def _defaults() -> dict[str, str]:
    shown = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, float):
            default = "1e-3" if default == 1e-3 else f"{default:g}"
        elif isinstance(default, Path):
            default = f"./{default}"
        elif isinstance(default, bool):
            default = str(default).lower()
        shown[name.upper()] = "none" if default in (None, ()) else f"`{default}`"
    return shown


def test_every_setting_is_in_the_table_with_its_default_and_meaning() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*) \|$", README, re.MULTILINE))
    defaults = _defaults()
    assert rows == {
        name.upper(): f"{defaults[name.upper()]} | {field.description}"
        for name, field in Settings.model_fields.items()
    }


def test_every_command_is_named() -> None:
    for command in HELP:
        assert f"huggingface_ner {command}" in README or f"`{command}`" in README or f"make {command}" in README


def test_every_route_is_in_the_table(news_models: ServedModels) -> None:
    routes = {rule.rule for rule in create_app(Settings(), news_models).url_map.iter_rules()}
    assert routes == set(re.findall(r"`(?:GET|POST) (/[\w/<>:.-]*)`", README))


def test_the_curl_line_finds_what_is_in_the_text(news_models: ServedModels) -> None:
    (block,) = [block for block in BLOCKS if "/predict" in block]
    words = shlex.split(block)
    body = json.loads(words[words.index("-d") + 1])
    answer = create_app(Settings(), news_models).test_client().post("/predict", json=body)
    (result,) = answer.get_json()["results"]
    found = {region["value"]["text"]: region["value"]["labels"] for region in result["result"]}
    assert found.get("Dakar") == ["LOC"]


def _unsure_tasks() -> list[dict[str, Any]]:
    """Return the tasks of examples/news, and the same tasks with shuffled words, of which no model is sure."""
    tasks: list[dict[str, Any]] = json.loads((ROOT / "examples/news/tasks.json").read_text(encoding="utf-8"))
    shuffled = [random.Random(0).sample(words := task["data"]["text"].split(), len(words)) for task in tasks]
    return [*tasks, *({"data": {"text": " ".join(words)}} for words in shuffled)]


TASKS = _unsure_tasks()


@pytest.fixture
def sure_ner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write README's example as a module into the current folder, and set MODEL_CLASS as README says."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (name,) = re.findall(r"^MODEL_CLASS=(\S+)", README, re.MULTILINE)
    (tmp_path / f"{name.partition(':')[0]}.py").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MODEL_CLASS", name)
    yield
    sys.modules.pop(name.partition(":")[0], None)


def _scores(predictions: Iterable[dict[str, Any]]) -> list[tuple[str, float]]:
    regions = [region for prediction in predictions for region in prediction["result"]]
    return [(region["value"]["labels"][0], region["score"]) for region in regions]


def _agree(ours: list[tuple[str, float]], others: list[tuple[str, float]]) -> None:
    assert [label for label, _ in ours] == [label for label, _ in others]
    assert [score for _, score in ours] == pytest.approx([score for _, score in others])


def _is_sure(scored: tuple[str, float]) -> bool:
    label, score = scored
    return label != "ORG" or score > 0.8


def _predicted(news_models: ServedModels, config: str, settings: Settings) -> list[tuple[str, float]]:
    client = create_app(settings, news_models).test_client()
    body = {"tasks": TASKS, "label_config": config}
    return _scores(client.post("/predict", json=body).get_json()["results"])


def test_the_names_of_the_gazetteer_are_suggested(
    tmp_path: Path, news_models: ServedModels, news_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = [block for block in BLOCKS if "GAZETTEER=" in block]
    lines = dict(zip(("write", "serve"), block.splitlines(), strict=True))
    subprocess.run(["sh", "-c", lines["write"]], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    (path,) = re.findall(r"^GAZETTEER=(\S+)", lines["serve"])
    client = create_app(Settings(gazetteer=Path(path)), news_models).test_client()
    body = {"tasks": [{"id": 1, "data": {"text": "dakar, Dakar, AMINA DIALLO"}}], "label_config": news_config}
    regions = client.post("/predict", json=body).get_json()["results"][0]["result"]
    assert ("Dakar", ["LOC"], 1.0) in [
        (region["value"]["text"], region["value"]["labels"], region["score"]) for region in regions
    ]
    (tmp_path / path).write_text("Dakar LOC")
    monkeypatch.setenv("GAZETTEER", f"./{path}")
    assert main(["serve"]) == 1, "the command fails before it starts anything"


@pytest.mark.usefixtures("sure_ner")
def test_the_customised_class_predicts_everywhere(
    news_models: ServedModels,
    news_model: Path,
    news_config: str,
    label_studio_api: LabelStudioApi,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The class is used in /predict, in the command predict, and in the suggestions that are pushed."""
    everything = _predicted(news_models, news_config, Settings(model_class="huggingface_ner.model:HuggingFaceNER"))
    sure = [*filter(_is_sure, everything)]
    assert 0 < len(sure) < len(everything)
    assert _predicted(news_models, news_config, Settings()) == sure

    (tmp_path / "tasks.json").write_text(json.dumps(TASKS), encoding="utf-8")
    (tmp_path / "config.xml").write_text(news_config, encoding="utf-8")
    files = ["--config", "config.xml", "--tasks", "tasks.json", "--out", "predictions.json"]
    assert main(["predict", "--model", str(news_model), *files]) == 0
    written = json.loads(Path("predictions.json").read_text(encoding="utf-8"))
    _agree(_scores(task["predictions"][0] for task in written), sure)

    tasks = [{"id": number, "data": task["data"], "annotations": []} for number, task in enumerate(TASKS, 1)]
    label_studio_api.add(7, news_config, tasks)
    settings = {
        "REDIS_URL": redis_url,
        "MODEL_DIR": str(tmp_path / "models"),
        "LABEL_STUDIO_HOST": label_studio_api.url,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        "PREDICT_AFTER_TRAINING": "true",
    }
    for setting, value in settings.items():
        monkeypatch.setenv(setting, value)
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 0.0)

    def write(folder: Path) -> None:
        shutil.copytree(news_model, folder, dirs_exist_ok=True)

    project_store(Settings().models_folder, 7).publish(write, {})
    worker = [sys.executable, "-m", "huggingface_ner", "worker"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(worker, env=environment) as process:
        until(lambda: len(label_studio_api.predictions) == len(TASKS))
        process.terminate()
    _agree(_scores(label_studio_api.predictions), sure)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:NER", "cannot be imported"),
        ("huggingface_ner.model:NoSuchClass", "has no class"),
        ("huggingface_ner.settings:Settings", "is not a subclass of HuggingFaceNER"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_class_that_cannot_be_used_is_named_before_anything_starts(
    command: str, name: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_CLASS", name)
    assert main([command]) == 1
    assert f"MODEL_CLASS={name}: " in (shown := capsys.readouterr().err)
    assert reason in shown


def test_the_commands_that_show_trainings_run(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    commands = [command for command in COMMANDS if command.endswith((" status", " versions list"))]
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)[3:]) == 0
    shown = capsys.readouterr().out
    assert "no project has been annotated yet" in shown
    assert "project  version" in shown


def test_the_commands_that_choose_and_delete_a_version_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 0.0)
    store = project_store(Settings().models_folder, 7)
    older, newer = (store.publish(lambda folder: None, {}).name for _ in range(2))
    use, remove = (command for command in COMMANDS if re.search(" versions (use|remove) ", command))
    assert main(shlex.split(use.replace("VERSION", older))[3:]) == 0
    assert store.current() == older
    assert main(shlex.split(remove.replace("VERSION", newer))[3:]) == 0
    assert [version.name for version in store.versions()] == [older]
    assert "deleted" in capsys.readouterr().out


def test_the_commands_about_projects_run(
    redis_url: str, tmp_path: Path, label_studio_api: LabelStudioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "REDIS_URL": redis_url,
        "MODEL_DIR": str(tmp_path),
        "LABEL_STUDIO_HOST": label_studio_api.url,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
    }
    for setting, value in settings.items():
        monkeypatch.setenv(setting, value)
    label_studio_api.add(1, "<View/>", [])
    claim_models(Settings())
    for project in (1, 7, 8):
        project_store(Settings().models_folder, project).publish(lambda folder: None, {})
    listed, *removals = (command for command in COMMANDS if re.search(" projects (list|remove)", command))
    (train,) = (command for command in COMMANDS if " projects train " in command)
    queue = TrainingQueue(connect(redis_url), Settings())
    for command in (listed, train, *(f"{removal} --yes" for removal in removals)):
        assert main(shlex.split(command)[3:]) == 0, command
    assert [*project_stores(Settings().models_folder)] == [1], "7 was named, and Label Studio does not have 8"
    assert queue.status(1)["state"] == "waiting"
    (adopt,) = re.findall(
        r"^LABEL_STUDIO_HOST=NEW_ADDRESS \S+ -m huggingface_ner (projects adopt \S+)$", README, re.MULTILINE
    )
    monkeypatch.setenv("LABEL_STUDIO_HOST", "http://new.example")
    assert main(shlex.split(adopt.replace("OLD_ADDRESS", label_studio_api.url))) == 0
    assert [*project_stores(Settings().models_folder)] == [1]


def test_the_commands_that_export_a_version_run(
    news_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def write(folder: Path) -> None:
        shutil.copytree(news_model, folder, dirs_exist_ok=True)

    version = project_store(Settings().models_folder, 7).publish(write, {}).name
    exports = [command for command in COMMANDS if " versions export " in command]
    assert len(exports) == 2
    for command in exports:
        assert main(shlex.split(command.replace("VERSION", version))[3:]) == 0
    (find,) = re.findall(r"`(pipeline\(.*\))`", README)
    assert find in (tmp_path / "my-model" / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "my-model.zip").is_file()


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if re.search(" (evaluate|predict) ", command)]
)
def test_the_commands_run(
    command: str,
    news_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The commands use the model of the ``news_model`` fixture, which is trained as README's ``train`` says."""
    monkeypatch.chdir(ROOT)
    out = tmp_path / "predictions.json"
    words = [
        {"results/news": str(news_model), "predictions.json": str(out)}.get(w, w) for w in shlex.split(command)
    ]
    assert words[:3] == [".venv/bin/python", "-m", "huggingface_ner"]
    assert main(words[3:]) == 0
    if "predict" in words:
        tasks = json.loads(out.read_text(encoding="utf-8"))
        assert len(tasks) == 12
        regions = [region for task in tasks for region in task["predictions"][0]["result"]]
        assert "in 12 tasks" in capsys.readouterr().out
        assert len(regions) > 10
    else:
        assert re.search(r"^all +0\.\d+", capsys.readouterr().out, re.MULTILINE)


def test_help_says_it_all() -> None:
    for command in ("", *HELP):
        arguments = [sys.executable, "-m", "huggingface_ner", *command.split(), "--help"]
        shown = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert "usage:" in shown
        assert len(shown) > 200 or command in ("worker", "health")


@pytest.mark.parametrize("name", ["page.png", "page_curve.png"])
def test_screenshots_of_the_page_are_wide_and_small(name: str) -> None:
    path = ROOT / "docs" / name
    assert f"(docs/{name})" in README
    with Image.open(path) as image:
        assert image.width == 1400
    assert path.stat().st_size < 150_000


def test_files_that_the_readme_names_are_there() -> None:
    for name in re.findall(r"\]\(([\w./]+)\)|`((?:examples|bench)/[\w./]+|\.env\.example)`", README):
        assert (ROOT / (name[0] or name[1])).exists()
