"""Counts the round trips to Redis."""

from typing import Any

from redis import Redis


class RoundTrips:
    """Counts the round trips of a connection to Redis, from now on: each command or pipeline takes one."""

    def __init__(self, connection: Redis) -> None:
        self.count = 0
        pool: Any = connection.connection_pool
        get = pool.get_connection

        def counting(*arguments: Any, **keywords: Any) -> Any:
            self.count += 1
            return get(*arguments, **keywords)

        pool.get_connection = counting
