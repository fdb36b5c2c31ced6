"""The training queue: RQ on Redis, whose jobs a worker of its own runs beside the server."""

from redis import Redis, RedisError
from rq import Queue, SpawnWorker
from rq.serializers import JSONSerializer

QUEUE = "training"


class QueueError(ValueError):
    """A training queue that cannot be used; the message says what to do."""


def run_worker(redis_url: str | None, *, until_empty: bool = False) -> None:
    """Run training jobs, each in a fresh process, until SIGTERM or, if asked for, until none is left.

    Jobs are JSON: whoever reaches Redis may ask for a training, but cannot run code of their own as pickle would
    let them. Raises QueueError without REDIS_URL or where no Redis answers there.
    """
    if redis_url is None:
        raise QueueError("REDIS_URL is not set: a worker needs the Redis that holds the training queue")
    connection = Redis.from_url(redis_url)
    try:
        connection.ping()
    except RedisError as error:
        raise QueueError(f"REDIS_URL: no Redis answers there: {error}") from error
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    # spawned, not forked: CUDA does not survive a fork
    SpawnWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=until_empty)
