import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from huggingface_ner.cli import main
from huggingface_ner.engines import cores
from huggingface_ner.jobs import mention_store
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText
from huggingface_ner.label_studio.annotation_events import AnnotationChanges
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LeftOut
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.spans import Span
from huggingface_ner.store.review_file import write_review
from huggingface_ner.store.versions import project_store
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi
from tests.told_models import bio_tags, save_told_model

WARNING = UnknownTokens("an encoder", 100, 31).warning()
CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.xml"
    path.write_text(CONFIG)
    return str(path)


def _tasks(tmp_path: Path, tasks: Any) -> str:
    path = tmp_path / "tasks.json"
    path.write_text(tasks if isinstance(tasks, str) else json.dumps(tasks))
    return str(path)


def _region(name: str) -> dict[str, Any]:
    value = {"start": 0, "end": len(name), "labels": ["PER"]}
    return {"from_name": "l", "to_name": "t", "type": "labels", "value": value}


def test_the_sample_data_is_learned(news: Path, news_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", str(news_model), "--config", str(news / "labeling_config.xml")]
    assert main(["evaluate", *arguments, "--tasks", str(news / "annotated_tasks.json"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["f1"] > 0.7  # the model has learned from four of five texts
    assert set(scores["labels"]) == {"PER", "ORG", "LOC", "MISC"}
    assert {"precision", "recall", "f1"} <= set(scores["labels"]["PER"])


def test_a_file_of_predictions_fits_its_config(news: Path, news_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.json"
    arguments = ["--model", str(news_model), "--config", str(news / "labeling_config.xml")]
    assert main(["predict", *arguments, "--tasks", str(news / "tasks.json"), "--out", str(out)]) == 0
    config = parse_labeling_config((news / "labeling_config.xml").read_text())
    for given, task in zip(
        json.loads((news / "tasks.json").read_text()), json.loads(out.read_text()), strict=True
    ):
        assert task["data"] == given["data"]
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "news"
        assert 0 <= prediction["score"] <= 1
        for region in prediction["result"]:
            value = region["value"]
            assert value["text"] == task["data"]["text"][value["start"] : value["end"]]
            assert set(value["labels"]) <= set(config.label_names)


def test_bare_tasks_are_taken(news_model: Path, config: str, tmp_path: Path) -> None:
    """Label Studio can also import a list that has only the data of the tasks."""
    tasks = _tasks(tmp_path, [{"t": "Amina Diallo flew."}, {"t": ""}])
    out = tmp_path / "out.json"
    assert (
        main(["predict", "--model", str(news_model), "--config", config, "--tasks", tasks, "--out", str(out)]) == 0
    )
    assert [task["data"] for task in json.loads(out.read_text())] == [{"t": "Amina Diallo flew."}, {"t": ""}]


def test_an_odd_text_costs_no_file(
    news_model: Path, config: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A lone surrogate cannot be encoded in UTF-8. Labels that are never suggested are named."""
    tasks, out = tmp_path / "tasks.json", tmp_path / "out.json"
    tasks.write_text('[{"t": "Amina \\ud800 Diallo"}, {"t": "Amina Diallo flew."}]', encoding="ascii")
    arguments = ["predict", "--model", str(news_model), "--config", config, "--tasks", str(tasks)]
    assert main([*arguments, "--out", str(out)]) == 0
    first, second = json.loads(out.read_text(encoding="utf-8"))
    assert first["data"] == {"t": "Amina \ud800 Diallo"}
    assert second["predictions"][0]["result"]
    assert main([*arguments, "--out", str(tmp_path / "missing" / "out.json")]) == 1


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("{", "not valid JSON"),
        ([{"t": "Anna"}, None], "number 2 of the list is not a task"),
        ("[" * 100_000, "nested too deeply"),
        ({}, "not a list of tasks"),
        ([3], "number 1 of the list is not a task"),
        ([], "no task has a text that can be read"),
        ([{"data": {"t": "x"}, "annotations": []}], "no task has a text that can be read"),
        ([{"data": {"t": " "}, "annotations": [{"result": []}]}], "none of the annotated tasks"),
    ],
)
def test_tasks_that_teach_nothing_are_named(
    tmp_path: Path, config: str, tiny_bert: Path, capsys: pytest.CaptureFixture[str], tasks: Any, message: str
) -> None:
    arguments = ["--config", config, "--tasks", _tasks(tmp_path, tasks), "--out", str(tmp_path / "model")]
    assert main(["train", *arguments, "--baseline", str(tiny_bert)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_config_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.xml"
    path.write_text("<View/>")
    assert main(["evaluate", "--model", "m", "--config", str(path), "--tasks", "t.json"]) == 1
    assert f"{path}: no control labels text" in capsys.readouterr().err
    assert main(["evaluate", "--model", "m", "--config", "gone.xml", "--tasks", "t.json"]) == 1
    assert "gone.xml" in capsys.readouterr().err


def test_an_existing_folder_is_not_overwritten(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    arguments = ["--config", config, "--tasks", "t.json", "--out", str(tmp_path / "thesis")]
    assert main(["train", *arguments]) == 1
    assert "is not a model" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"


def test_a_model_that_is_none_is_named(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = _tasks(tmp_path, [{"t": "x"}])
    arguments = ["--config", config, "--tasks", tasks, "--out", str(tmp_path / "out.json")]
    assert main(["predict", "--model", str(tmp_path / "gone"), *arguments]) == 1
    assert "gone: there is no such model folder" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["1", "-0.1", "x"])
def test_a_share_has_to_be_one(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--config", "c", "--tasks", "t", "--out", "o", "--held-out", share])
    assert stopped.value.code == 2
    assert "--held-out" in capsys.readouterr().err


def test_a_setting_that_cannot_be_used_stops_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKERS", "none")
    assert main(["serve"]) == 2
    assert "WORKERS=none" in capsys.readouterr().err


def test_a_training_by_hand_takes_the_cores_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_taken", [1])
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # set, so that monkeypatch restores it for other tests
    monkeypatch.setenv("TRAINING_THREADS", "3")
    assert main(["train", "--config", "gone.xml", "--tasks", "t.json", "--out", "o"]) == 1
    assert (cores.engine_cores(), taken) == (3, [3])


def test_a_projects_versions_are_published_listed_chosen_and_removed(
    tiny_bert: Path,
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    annotated = {"data": {"t": "Anna flew."}, "annotations": [{"result": [_region("Anna")]}]}
    tasks = _tasks(tmp_path, [{**annotated, "id": number} for number in range(30)])
    monkeypatch.setenv("F1_TOLERANCE", "1")
    for seed in ("1", "2", "2"):
        arguments = ["--config", config, "--tasks", tasks, "--baseline", str(tiny_bert), "--project", "31"]
        assert main(["train", *arguments, "--seed", seed]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert main(["versions", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("31")]
    first, second = (row[1] for row in rows)
    assert [row[2] for row in rows] == [rows[0][2], "yes"]
    assert main(["versions", "remove", second]) == 1
    assert "this version is in use" in capsys.readouterr().err
    models = ServedModels(Settings(model_dir=tmp_path / "models", baseline_model_name=str(tiny_bert)))
    models.start()
    assert models.wait(60).state == "ready"
    assert main(["versions", "use", first]) == 0
    until = time.monotonic() + 30
    while models.model_version(31, 2) != first:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert models.model_for(31).labels == ("PER",)
    assert models.model_version(32, 2) == models.state.model_version, "other projects keep the baseline"
    assert first in models.versions()
    models.close()
    assert main(["versions", "remove", second]) == 0
    assert main(["versions", "remove", second]) == 1
    assert main(["versions", "use"]) == 1
    assert "versions list" in capsys.readouterr().err


def test_versions_of_a_project_are_listed_though_another_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(model_dir=tmp_path)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    stores = [project_store(settings.models_folder, number) for number in (1, 2)]
    names = [store.publish(lambda folder: None, {"f1": 0.5}).name for store in stores]
    list_folder = Path.iterdir

    def fail(path: Path) -> Any:
        if path == settings.models_folder / "1":
            raise OSError(5, "Input/output error")
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", fail)
    assert main(["versions", "list"]) == 0
    shown = capsys.readouterr()
    assert names[1] in shown.out
    assert names[0] not in shown.out
    assert "project 1: " in shown.err
    assert main(["versions", "use", names[1]]) == 0


def test_a_versions_scores_are_those_that_evaluate_prints(
    tiny_bert: Path,
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 40)
    settings = Settings(model_dir=tmp_path / "models", f1_tolerance=1)
    for name in ("model_dir", "f1_tolerance"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    names = ["Anna", "Kovács", "Zürich"]
    annotated = [
        {"id": number, "data": {"t": f"{name} flew."}, "annotations": [{"result": [_region(name)]}]}
        for number, name in enumerate(names * 20)
    ]
    arguments = ["--config", config, "--tasks", _tasks(tmp_path, annotated)]
    assert main(["train", *arguments, "--baseline", str(tiny_bert), "--project", "31"]) == 0
    store = project_store(settings.models_folder, 31)
    version, split = store.current_version(), store.split()
    assert version is not None
    assert split is not None
    held_out = split.held_out
    assert len(held_out) == len(annotated) / 5
    measured = _tasks(tmp_path, [task for task in annotated if str(task["id"]) in held_out])
    capsys.readouterr()
    arguments = ["--config", config, "--tasks", measured, "--model", str(version.folder), "--json"]
    assert main(["evaluate", *arguments]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.pop("left_out")["regions_seen"] == scores["gold"] == len(held_out)
    assert scores == {name: version.metrics[name] for name in scores}


@pytest.mark.parametrize(
    "where", [[], ["--project", "0"], ["--project", "../x"], ["--out", "x", "--project", "1"]]
)
def test_train_wants_one_place_for_the_model(config: str, where: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--config", config, "--tasks", "x", *where])


def test_train_says_that_a_baseline_does_not_know_the_language(
    tiny_bert: Path,
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 4)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    result = [_region("አዲስ")]
    annotated = [{"id": n, "data": {"t": "አዲስ flew."}, "annotations": [{"result": result}]} for n in range(20)]
    arguments = ["train", "--config", config, "--tasks", _tasks(tmp_path, annotated), "--baseline", str(tiny_bert)]
    for where in (["--out", str(tmp_path / "model")], ["--project", "31"]):
        assert main([*arguments, *where]) == 0
        *_, told = capsys.readouterr().out.splitlines()
        assert f"% of the tokens in the annotated texts are unknown to the baseline {tiny_bert}, so" in told
    english = [{**task, "data": {"t": "Anna flew."}, "annotations": [{"result": []}]} for task in annotated]
    arguments[4] = _tasks(tmp_path, english)
    assert main([*arguments, "--out", str(tmp_path / "model")]) == 0
    assert "unknown" not in capsys.readouterr().out


def test_status_says_what_a_training_left_out(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    queue = TrainingQueue(connect(redis_url), Settings(redis_url=redis_url))
    left_out = LeftOut(88 + 25, Counter({("unknown_label", "Firma"): 25}))
    outcome = Outcome(
        status="published",
        reason="trained on 80 tasks, scored on 20",
        f1=0.851,
        f1_basis="88 of 113 regions",
        left_out=left_out.as_dict(),
        unknown_tokens=UnknownTokens("an encoder", 100, 31).as_dict(),
        accepted={"version": "20261126-024000-abcd", "suggested": 412, "share": 292 / 412},
    )
    queue.request_training(7)
    run = queue.begin(7)
    assert run is not None
    queue.end(run, outcome)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.endswith(
        "last: published, trained on 80 tasks, scored on 20 (F1 0.851, over 88 of 113 regions); 25 of 113 regions "
        f"were not used: 25 Firma have labels that are not in the labelling config; {WARNING}; of 412 suggestions "
        "of 20261126-024000-abcd, 71 % were accepted\n"
    )


def test_status_says_which_mentions_had_no_room(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(mention_store, "MAX_PROJECT_SIZE", 300)
    queue = TrainingQueue(connect(redis_url), Settings(redis_url=redis_url))
    queue.request_training(7)
    texts = (EntryText("Ada", ("l",), ()),)
    queue.mentions.note(7, AnnotationChanges(put=(AnnotationEntry(1, 1, 1, texts=texts),)))
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "project 7: waiting\n"
    queue.mentions.note(7, AnnotationChanges(put=(AnnotationEntry(2, 2, 1, texts=texts),)))
    assert main(["status"]) == 0
    told = "project 7: waiting; known mentions: there was no room for 1 more annotations\n"
    assert capsys.readouterr().out == told


def test_evaluate_says_what_its_scores_rest_on(
    news_model: Path, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = {**_region("Anna"), "value": {"start": 0, "end": 4, "labels": ["Firma"]}}
    annotated = [
        {"id": 1, "data": {"t": "Anna flew."}, "annotations": [{"result": [_region("Anna"), old, old]}]},
        {"id": 2, "data": {}, "annotations": [{"result": []}]},
    ]
    arguments = ["--model", str(news_model), "--config", config, "--tasks", _tasks(tmp_path, annotated)]
    assert main(["evaluate", *arguments]) == 0
    *_, basis, summary = capsys.readouterr().out.splitlines()
    assert basis.endswith(" over 1 of 3 regions")
    assert summary == (
        "2 of 3 regions were not used: 2 Firma have labels that are not in the labelling config; 1 task could not "
        "be read"
    )
    assert main(["evaluate", *arguments, "--json"]) == 0
    left_out = json.loads(capsys.readouterr().out)["left_out"]
    assert left_out["regions"] == {"unknown_label": {"Firma": 2}}
    assert left_out["tasks"] == {"unreadable": 1}


def test_a_label_may_have_another_name_over_a_second_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's label is scored under the name under which it is suggested for each text."""
    monkeypatch.setenv("DEVICE", "cpu")
    config = tmp_path / "config.xml"
    config.write_text(
        '<View><Labels name="a" toName="title"><Label value="PER"/></Labels><Text name="title" value="$title"/>'
        '<Labels name="b" toName="body"><Label value="Mensch" predicted_values="PER"/></Labels>'
        '<Text name="body" value="$body"/></View>'
    )

    def region(control: str, text: str, label: str) -> dict[str, Any]:
        value = {"start": 0, "end": 4, "text": "Anna", "labels": [label]}
        return {"from_name": control, "to_name": text, "type": "labels", "value": value}

    annotation = {"result": [region("a", "title", "PER"), region("b", "body", "Mensch")]}
    task = {"id": 1, "data": {"title": "Anna", "body": "Anna"}, "annotations": [annotation]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    model = save_told_model(tmp_path / "model", ["O", "B-PER", "I-PER"], bio_tags("Anna", [Span(0, 4, "PER")]))
    arguments = ["--config", str(config), "--tasks", str(tmp_path / "tasks.json"), "--model", str(model)]
    assert main(["evaluate", *arguments, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["f1"], scores["gold"], sorted(scores["labels"])) == (1.0, 2, ["Mensch", "PER"])


def test_what_to_look_at_is_printed_and_shown_as_a_tab(
    label_studio_api: LabelStudioApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_HOST", label_studio_api.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY_TOKEN)
    for arguments in (["7"], ["7", "--tab"]):
        assert main(["review", *arguments]) == 1
        assert b"no training has looked" in capsysbinary.readouterr().err
    review = {"dubious": [{"task": "5", "text": "Zürich", "label": "PER", "reasons": ["=1"]}]}
    project_store(Settings().models_folder, 7).publish(lambda folder: write_review(folder, review), {})
    assert main(["review", "7"]) == 0
    title, line = capsysbinary.readouterr().out.decode().splitlines()
    assert title.startswith("kind,task,address,")
    assert line.endswith(",Zürich,,PER,,'=1")
    assert main(["review", "7", "--tab"]) == 0
    assert b"shows 1 task." in capsysbinary.readouterr().out
    assert len(label_studio_api.views) == 2, "the new tab, and the tab with all tasks"
    with pytest.raises(SystemExit):
        main(["review", "x"])


def test_a_version_is_exported_into_a_folder_or_a_zip_file(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MODEL_LICENSE", "mit")
    monkeypatch.setenv("MODEL_LANGUAGES", "de, en")

    def write(folder: Path) -> None:
        shutil.copytree(tiny_bert, folder, dirs_exist_ok=True)

    version = project_store(Settings().models_folder, 7).publish(write, {}).name
    assert main(["versions", "export", version, str(tmp_path / "model")]) == 0
    assert main(["versions", "export", version, "--zip", str(tmp_path / "model.zip"), "--license", "gpl-3.0"]) == 0
    assert "README.md there says how to use it" in capsys.readouterr().out
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "language:\n- de\n- en\n" in card
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert "license: gpl-3.0" in archive.read("model/README.md").decode()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x").write_text("")
    assert main(["versions", "export", version, str(tmp_path / "notes")]) == 1
    assert "is not a model" in capsys.readouterr().err
    assert main(["versions", "export", "v1", str(tmp_path / "other")]) == 1
    assert "no such version" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["export", "v"],
        ["export", "v", "folder", "--zip", "file"],
        ["export", "v", "folder", "--license", "my own license"],
        ["push", "v", "me/model", "--language", "German"],
        ["push", "v"],
        [],
    ],
)
def test_options_of_an_export_that_cannot_be_used_are_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["versions", *options])


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_invalid_settings_of_a_service_are_reported_in_the_format_of_the_log(command: str) -> None:
    wrong = {"LOG_FORMAT": "json", "PORT": "redis://:p4ss@localhost", "THREADS": "x\ny"}
    started = [sys.executable, "-m", "huggingface_ner", command]
    ran = subprocess.run(
        started, env={**os.environ, **wrong}, check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 2
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert {line["level"] for line in lines} == {"CRITICAL"}
    assert [line["message"].startswith(f"{command}: PORT=***") for line in lines].count(True) == 1
    assert any("THREADS=x" in line["message"] for line in lines)
    assert "p4ss" not in ran.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_service_that_cannot_start_says_only_why_and_in_the_format_of_the_log(
    command: str, tmp_path: Path
) -> None:
    url = "redis://:p4ss@localhost:1/0?no_option=p4ss"
    environment = {**os.environ, "MODEL_DIR": str(tmp_path), "REDIS_URL": url, "LOG_FORMAT": "json", "PORT": "0"}
    started = [sys.executable, "-m", "huggingface_ner", command]
    ran = subprocess.run(started, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    (line,) = map(json.loads, ran.stderr.splitlines())
    assert line["level"] == "CRITICAL"
    assert line["message"].startswith(f"{command}: REDIS_URL has an option")
    assert "p4ss" not in ran.stderr
