"""The command ``projects``: what it shows, and what it removes."""

import argparse
import sys
from pathlib import Path

import pytest
from redis import Redis, RedisError

from huggingface_ner.cli import main
from huggingface_ner.commands.projects import add_projects
from huggingface_ner.jobs import queue_owner
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.queue_owner import claim_queue
from huggingface_ner.jobs.redis_connection import QueueError, connect
from huggingface_ner.jobs.status_reader import QueueOverview
from huggingface_ner.model_places import places
from huggingface_ner.settings import Settings
from huggingface_ner.store.claims import claim_models
from huggingface_ner.store.versions import project_store, project_stores
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'


@pytest.fixture
def settings(
    tmp_path: Path, redis_url: str, label_studio_api: LabelStudioApi, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    environment = {
        "MODEL_DIR": str(tmp_path),
        "REDIS_URL": redis_url,
        "LABEL_STUDIO_HOST": label_studio_api.url,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    claim_models(settings)
    return settings


@pytest.fixture
def queue(settings: Settings, redis_url: str) -> TrainingQueue:
    """The queue, with the projects 1 to 3; 1 and 2 have models, and 1 and 3 have marks."""
    queue = TrainingQueue(connect(redis_url), settings)
    for project in (1, 3):
        queue.count_updates(project, 1)
        queue.notes.note_event(project, f"Project no. {project}")
    for project in (1, 2):
        project_store(settings.models_folder, project).publish(lambda folder: None, {})
    return queue


def test_a_title_cannot_write_further_lines_or_control_the_terminal(
    settings: Settings, queue: TrainingQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.notes.note_event(1, "News\n      9         1  idle      forged\x1b[2J")
    for command in (["projects", "list"], ["status"], ["projects", "remove", "1", "--yes"]):
        assert main(command) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert not any("forged" in line and "News" not in line for line in out.splitlines())


def test_a_training_can_be_requested(
    settings: Settings, queue: TrainingQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert queue.status(2)["state"] == "idle"
    assert main(["projects", "train", "2"]) == 0
    assert "project 2: a training is requested" in capsys.readouterr().out
    assert queue.status(2)["state"] == "waiting"
    with pytest.raises(SystemExit):
        main(["projects", "train", "x"])


def test_a_training_of_a_project_that_label_studio_does_not_have_is_refused(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["projects", "train", "999"]) == 1
    assert "has no project 999" in capsys.readouterr().err
    assert 999 not in queue.projects()
    label_studio_api.add(999, "<View/>", [])
    assert main(["projects", "train", "999"]) == 0
    assert queue.status(999)["state"] == "waiting"


def test_a_training_needs_a_queue(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL")
    assert main(["projects", "train", "2"]) == 1
    assert "no running server found" in capsys.readouterr().err


def test_all_projects_with_stored_data_are_listed(
    settings: Settings, queue: TrainingQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Settings(label_studio_host="http://other")
    claim_models(other)
    project_store(other.models_folder, 5).publish(lambda folder: None, {})
    assert main(["projects", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{settings.label_studio_host}:"
    assert [line.split() for line in lines[2:5]] == [
        ["1", "1", "idle", "Project", "no.", "1"],
        ["2", "1", "-", "-"],
        ["3", "0", "idle", "Project", "no.", "3"],
    ]
    assert lines[5:] == ["another Label Studio, http://other: models of 1 projects"]


def test_a_project_is_removed_with_its_models_and_marks(
    settings: Settings, queue: TrainingQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["projects", "remove", "1", "--yes"]) == 0
    assert "project 1 (Project no. 1): 1 versions" in capsys.readouterr().out
    assert list(project_stores(settings.models_folder)) == [2]
    assert queue.projects() == [3]
    assert main(["projects", "remove", "1", "--yes"]) == 1
    assert "project 1: it has no stored data" in capsys.readouterr().err


def test_projects_that_label_studio_no_longer_has_are_removed(
    settings: Settings,
    queue: TrainingQueue,
    label_studio_api: LabelStudioApi,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label_studio_api.add(1, CONFIG, [])
    assert main(["projects", "remove", "--gone", "--yes"]) == 0
    assert "project 2: removed\nproject 3: removed\n" in capsys.readouterr().out
    assert (list(project_stores(settings.models_folder)), queue.projects()) == ([1], [1])
    assert main(["projects", "remove", "--gone"]) == 0
    assert "has all projects" in capsys.readouterr().out


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_label_studio_that_does_not_answer_has_lost_no_project(
    settings: Settings, queue: TrainingQueue, label_studio_api: LabelStudioApi, status: int
) -> None:
    label_studio_api.status = status
    assert main(["projects", "remove", "--gone", "--yes"]) == 1
    assert list(project_stores(settings.models_folder)) == [1, 2]


def test_a_label_studio_that_has_none_of_the_projects_may_be_the_wrong_one(
    settings: Settings, queue: TrainingQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["projects", "remove", "--gone", "--yes"]) == 1
    assert "has none of the projects 1, 2, 3: is it the right one" in capsys.readouterr().err
    assert list(project_stores(settings.models_folder)) == [1, 2]


@pytest.mark.parametrize(("answer", "removed"), [("y", True), ("YES ", True), ("", False), ("n", False)])
def test_it_asks_before_it_removes(
    settings: Settings, queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch, answer: str, removed: bool
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["projects", "remove", "2"]) == int(not removed)
    assert list(project_stores(settings.models_folder)) == ([1] if removed else [1, 2])


def test_without_a_terminal_nothing_is_removed(
    settings: Settings, queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main(["projects", "remove", "2"]) == 1
    assert "without one, add --yes" in capsys.readouterr().err
    assert list(project_stores(settings.models_folder)) == [1, 2]


@pytest.mark.parametrize("options", [["2"], ["--gone"]])
def test_a_queue_that_stops_meanwhile_is_named(
    settings: Settings,
    queue: TrainingQueue,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    read = TrainingQueue.overview

    def read_and_stop(asked: TrainingQueue) -> QueueOverview:
        overview = read(asked)
        connect(redis_url, timeout=5).shutdown(nosave=True)
        return overview

    monkeypatch.setattr(TrainingQueue, "overview", read_and_stop)
    assert main(["projects", "remove", *options, "--yes"]) == 1
    assert "the training queue does not answer: " in capsys.readouterr().err
    assert list(project_stores(settings.models_folder)) == [1, 2]


def test_an_action_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_projects(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["projects"])
    assert "the following arguments are required: ACTION" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["remove"], ["remove", "1", "--gone"]])
def test_either_ids_or_gone_must_be_given(
    settings: Settings, queue: TrainingQueue, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["projects", *options, "--yes"]) == 1
    assert "by their ids, or write --gone, but not both" in capsys.readouterr().err


def test_models_are_removed_if_there_never_was_a_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    project_store(Settings().models_folder, 2).publish(lambda folder: None, {})
    assert main(["projects", "remove", "2", "--yes"]) == 0
    (tmp_path / "queue").mkdir()
    project_store(Settings().models_folder, 2).publish(lambda folder: None, {})
    assert main(["projects", "remove", "2", "--yes"]) == 1, "the queue exists, but is not running"
    assert "no running server found" in capsys.readouterr().err


def test_a_moved_label_studio_adopts_its_models(
    settings: Settings,
    queue: TrainingQueue,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://labels.example.org")
    assert main(["projects", "list"]) == 0
    assert f"another Label Studio, {settings.label_studio_host}: models of 2 projects" in capsys.readouterr().out
    claim_queue(connect(redis_url), settings)
    assert main(["projects", "adopt", settings.label_studio_host]) == 0
    assert "restart the servers and workers" in capsys.readouterr().out
    claim_queue(connect(redis_url), Settings())
    assert main(["projects", "list"]) == 0
    assert "Project no. 3" in capsys.readouterr().out
    assert main(["projects", "adopt", settings.label_studio_host]) == 1
    assert f"no models of {settings.label_studio_host} in" in capsys.readouterr().err


def test_a_second_attempt_finishes_an_adoption_that_stopped_after_the_models(
    settings: Settings,
    queue: TrainingQueue,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(redis: Redis, settings: Settings) -> None:
        raise RedisError("it has just stopped")

    claim_queue(connect(redis_url), settings)
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://labels.example.org")
    with monkeypatch.context() as patch:
        patch.setattr(queue_owner, "adopt_queue", fail)
        assert main(["projects", "adopt", settings.label_studio_host]) == 1
    assert "the training queue does not answer: it has just stopped" in capsys.readouterr().err
    assert list(project_stores(Settings().models_folder)) == [1, 2]
    with pytest.raises(QueueError, match=f"projects adopt {settings.label_studio_host}"):
        claim_queue(connect(redis_url), Settings())
    assert main(["projects", "adopt", f"{settings.label_studio_host}/"]) == 0
    claim_queue(connect(redis_url), Settings())
    assert main(["projects", "adopt", settings.label_studio_host]) == 1
    assert f"no models of {settings.label_studio_host} in" in capsys.readouterr().err


def test_a_queue_is_adopted_without_models_if_model_dir_is_new(
    settings: Settings, queue: TrainingQueue, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_queue(connect(redis_url), settings)
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://labels.example.org")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "new"))
    claim_models(Settings())
    assert main(["projects", "adopt", settings.label_studio_host]) == 0
    claim_queue(connect(redis_url), Settings())


def test_an_address_that_is_none_is_not_adopted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "adopt", "http://host:port"]) == 1
    assert "'http://host:port' is not an address" in capsys.readouterr().err


def test_the_address_in_use_is_not_adopted(
    settings: Settings, queue: TrainingQueue, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_queue(connect(redis_url), settings)
    assert main(["projects", "adopt", settings.label_studio_host]) == 1
    assert "this is LABEL_STUDIO_HOST" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "reason"), [(None, "no running server found"), ("redis://127.0.0.1:1/0", "answer")]
)
def test_nothing_is_adopted_while_the_queue_does_not_answer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str | None,
    reason: str,
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_HOST", "http://former")
    claim_models(Settings())
    (tmp_path / "queue").mkdir()
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://labels.example.org")
    if url is not None:
        monkeypatch.setenv("REDIS_URL", url)
    assert main(["projects", "adopt", "http://former"]) == 1
    assert reason in capsys.readouterr().err
    assert list(places(Settings().all_models_folder).values()) == ["http://former"]
