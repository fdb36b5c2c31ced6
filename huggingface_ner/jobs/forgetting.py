"""Deletes everything that Redis has about a project: marks, notes, the token, known mentions and requests."""

import re
from collections.abc import Iterator

from redis import Redis

from huggingface_ner.jobs.redis_connection import as_text
from huggingface_ner.settings import Settings

# The name, after the prefix, of the key that contains the address of the Label Studio whose queue this is.
HOST_FIELD = "label_studio_host"
KEYS_AT_A_TIME = 1_000


def forget_project(redis: Redis, settings: Settings, project_id: int) -> None:
    """Delete the keys of a project, and its entries in the keys that all projects share. Raises RedisError.

    A running job of the project notices this at its next report, and stops.

    The keys are recognized by their names. A key of project 7 has one part after the prefix and then the number,
    for example ``PREFIX:mentions:7:entries``. A shared key has only one part, for example ``PREFIX:wanting``.
    """
    prefix = settings.queue_prefix
    own, shared = [], []
    for key in _keys(redis, prefix):
        kind, *rest = key.removeprefix(f"{prefix}:").split(":")
        if rest[:1] == [str(project_id)]:
            own.append(key)
        elif not rest and kind != HOST_FIELD:
            shared.append(key)
    with redis.pipeline() as pipeline:
        for key in shared:
            pipeline.type(key)
        types = [as_text(answer) for answer in pipeline.execute()]
        for key, kind in zip(shared, types, strict=True):
            if kind == "set":
                pipeline.srem(key, str(project_id))
            elif kind == "zset":
                pipeline.zrem(key, str(project_id))
            elif kind == "hash":
                pipeline.hdel(key, str(project_id))
        for key in own:
            pipeline.delete(key)
        pipeline.execute()


def _keys(redis: Redis, prefix: str) -> Iterator[str]:
    """Yield the keys that begin with a prefix and a colon."""
    pattern = re.sub(r"([\\\[\]*?])", r"\\\1", prefix)
    for key in redis.scan_iter(f"{pattern}:*", count=KEYS_AT_A_TIME):
        yield as_text(key)
