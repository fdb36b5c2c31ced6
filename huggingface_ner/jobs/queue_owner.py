"""Prevents two Label Studios from sharing a queue, because both number their projects from 1.

If both use the same MODEL_DIR, their keys in Redis differ (see Settings.queue_prefix). If each uses its own
MODEL_DIR, their keys can be the same, and only the key with the owner's address tells their queues apart.
"""

from redis import Redis

from huggingface_ner.jobs.forgetting import HOST_FIELD
from huggingface_ner.jobs.redis_connection import QueueError, as_text
from huggingface_ner.model_places import normalized
from huggingface_ner.settings import Settings


def claim_queue(redis: Redis, settings: Settings) -> None:
    """Note that the queue belongs to LABEL_STUDIO_HOST.

    Raises QueueError if it belongs to another Label Studio, and RedisError.
    """
    host = normalized(settings.label_studio_host)
    redis.set(_key(settings), host, nx=True)
    known = queue_owner(redis, settings) or host
    if known != host:
        raise QueueError(
            f"this Redis has the queue of {known}, and LABEL_STUDIO_HOST is {host}: use another database (in "
            "REDIS_URL) or another FINETUNED_MODEL_NAME. If it is the same Label Studio under another address, "
            f"run: python -m huggingface_ner projects adopt {known}"
        )


def queue_owner(redis: Redis, settings: Settings) -> str | None:
    """Return the address of the queue's Label Studio; None if nobody has claimed the queue. Raises RedisError."""
    owner = redis.get(_key(settings))
    return None if owner is None else as_text(owner)


def adopt_queue(redis: Redis, settings: Settings) -> None:
    """Note that the queue's Label Studio has the address LABEL_STUDIO_HOST now; raises RedisError."""
    redis.set(_key(settings), normalized(settings.label_studio_host))


def _key(settings: Settings) -> str:
    return f"{settings.queue_prefix}:{HOST_FIELD}"
