"""What the README says is so."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.cli import main
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
HELP = ("serve", "worker", "status", "health", "train", "evaluate", "predict", "versions")
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
    assert routes == set(re.findall(r"`(?:GET|POST) (/\w*)`", README))


def test_the_curl_line_finds_what_is_in_the_text(news_models: ServedModels) -> None:
    (block,) = [block for block in BLOCKS if "/predict" in block]
    words = shlex.split(block)
    body = json.loads(words[words.index("-d") + 1])
    answer = create_app(Settings(), news_models).test_client().post("/predict", json=body)
    (result,) = answer.get_json()["results"]
    found = {region["value"]["text"]: region["value"]["labels"] for region in result["result"]}
    assert found.get("Dakar") == ["LOC"]


def test_the_customised_class_leaves_out_what_it_is_not_sure_of(
    news_models: ServedModels, news_config: str
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    made: dict[str, Any] = {"HuggingFaceNER": HuggingFaceNER}
    exec(example, made)
    tasks = [{"id": 1, "data": {"text": "Amina Diallo flew from Dakar to Lyon, said Reuters. " * 5}}]
    all_regions, sure = (
        kind(settings=Settings(), models=news_models, label_config=news_config).predict(tasks)[0]["result"]
        for kind in (HuggingFaceNER, made["SureNER"])
    )
    assert [region["score"] for region in sure] == [r["score"] for r in all_regions if r["score"] > 0.5]
    assert sure


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
    """On the model of the ``news_model`` fixture, which is trained as the README's ``train`` says."""
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


def test_files_that_the_readme_names_are_there() -> None:
    for name in re.findall(r"\]\(([\w./]+)\)|`((?:examples|bench)/[\w./]+|\.env\.example)`", README):
        assert (ROOT / (name[0] or name[1])).exists()
