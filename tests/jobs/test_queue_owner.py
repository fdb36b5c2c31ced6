from pathlib import Path

import pytest

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.queue_owner import adopt_queue, claim_queue
from huggingface_ner.jobs.redis_connection import QueueError, connect
from huggingface_ner.settings import Settings
from huggingface_ner.store.claims import claim_models


def _settings(model_dir: Path, host: str) -> Settings:
    return Settings(model_dir=model_dir, label_studio_host=host)


def test_a_second_model_dir_cannot_use_the_queue_of_another_label_studio(redis_url: str, tmp_path: Path) -> None:
    redis = connect(redis_url)
    first, second = _settings(tmp_path / "a", "http://first"), _settings(tmp_path / "b", "http://second")
    for _ in range(2):
        claim_queue(redis, first)
    with pytest.raises(QueueError, match=r"this Redis has the queue of http://first.*projects adopt http://first"):
        claim_queue(redis, second)
    adopt_queue(redis, second)
    claim_queue(redis, second)


def test_two_label_studios_of_one_model_dir_share_a_redis(redis_url: str, tmp_path: Path) -> None:
    """Each Label Studio has its own projects, jobs and tokens."""
    redis = connect(redis_url)
    queues = []
    for host in ("http://first", "http://second"):
        settings = _settings(tmp_path, host)
        claim_models(settings)
        claim_queue(redis, settings)
        queues.append(TrainingQueue(redis, settings))
    first, second = queues
    first.notes.put_token(7, "token of the first")
    assert first.request_training(7) != second.request_training(7), (
        "a job's id must be unique among all queues of RQ"
    )
    first.request_training(8)
    assert second.projects() == [7]
    assert second.notes.token(7) is None
    run = first.begin(7)
    assert run is not None
    assert second.status(7)["state"] == "waiting"
