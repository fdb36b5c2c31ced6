"""Reads the status of projects, and the numbers of the workers, in one round trip to Redis."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis import Redis

from huggingface_ner.jobs.known_mentions import KnownMentions
from huggingface_ner.jobs.requests import read_ids
from huggingface_ner.jobs.status import read_status, trainings_ahead
from huggingface_ner.jobs.suggestion_marks import SuggestionMarks
from huggingface_ner.jobs.worker_numbers import numbers_key, working

# How many keys Redis scans before it answers. Usually these are all keys, so one answer names all projects.
KEYS_AT_A_TIME = 10_000


class QueueOverview(NamedTuple):
    """The status of each project, and the numbers of each worker by its name."""

    statuses: list[dict[str, Any]]
    workers: dict[str, dict[str, Any]]


class StatusReader:
    """Reads the status of projects; methods raise RedisError if Redis does not answer.

    prefix: Settings.queue_prefix. jobs_key: the key of RQ's queue. updates_per_training: see project_status.

    An overview asks which projects there are and, at the same time, for the status of those that were there at the
    last overview. So only new projects need a second round trip. If Redis has more than KEYS_AT_A_TIME keys,
    finding the projects takes further ones.
    """

    def __init__(
        self,
        connection: Redis,
        prefix: str,
        jobs_key: str,
        suggestions: SuggestionMarks,
        mentions: KnownMentions,
        *,
        updates_per_training: int,
    ) -> None:
        self._redis = connection
        self._prefix = f"{prefix}:project:"
        self._jobs_key = jobs_key
        self._workers_key = numbers_key(prefix)
        self._suggestions = suggestions
        self._mentions = mentions
        self._each = updates_per_training
        self._known: list[int] = []

    def projects(self) -> list[int]:
        """Return the projects that have a status, in ascending order."""
        return self._with_rest(*self._redis.scan(match=f"{self._prefix}*", count=KEYS_AT_A_TIME))

    def statuses(self, projects: Sequence[int]) -> list[dict[str, Any]]:
        """Return the status of each of these projects.

        An entry that cannot be read has the state "damaged", and a reason. The number of trainings ahead of a
        waiting one is correct only if all projects are given.
        """
        return self._read(projects, self._ask(projects))

    def overview(self) -> QueueOverview:
        """Return the status of all projects, as ``statuses`` does, and the numbers of the workers that are up."""
        asked = self._known
        scanned, workers, *answers = self._ask(asked, and_overview=True)
        if isinstance(scanned, Exception):
            raise scanned
        self._known = found = self._with_rest(*scanned)
        if not {*found} <= {*asked}:
            asked, answers = found, self._ask(found)
        still = {*found}
        statuses = [one for one in self._read(asked, answers) if one["project"] in still]
        return QueueOverview(statuses, working(workers))

    def _ask(self, projects: Sequence[int], *, and_overview: bool = False) -> list[Any]:
        """Return Redis's answers: the jobs, and those about each project.

        and_overview: the answer to a scan for projects and the workers come first.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            if and_overview:
                pipeline.scan(match=f"{self._prefix}*", count=KEYS_AT_A_TIME)
                pipeline.hgetall(self._workers_key)
            pipeline.lrange(self._jobs_key, 0, -1)
            for project_id in projects:
                pipeline.hgetall(self._key(project_id))
                pipeline.hgetall(self._suggestions.key(project_id))
                self._mentions.ask_counts(pipeline, project_id)
            return pipeline.execute(raise_on_error=False)

    def _with_rest(self, cursor: int, keys: Iterable[bytes | str]) -> list[int]:
        """Return the projects of a scan's first answer and of its further ones, which are requested now."""
        found = {*keys}  # a scan may name a key twice
        while cursor:
            cursor, keys = self._redis.scan(cursor, match=f"{self._prefix}*", count=KEYS_AT_A_TIME)
            found |= {*keys}
        return read_ids(found, self._prefix)

    def _read(self, projects: Sequence[int], answers: Sequence[Any]) -> list[dict[str, Any]]:
        jobs, *of_projects = answers
        each = max(len(of_projects) // max(len(projects), 1), 1)
        states = dict(zip(projects, of_projects[::each], strict=True))
        ahead = trainings_ahead(states, [] if isinstance(jobs, Exception) else jobs)
        statuses = []
        for place, number in enumerate(projects):
            keys = self._key(number), self._suggestions.key(number)
            own = of_projects[place * each : (place + 1) * each]
            statuses.append(read_status(number, keys, own, self._each, ahead.get(number)))
        return statuses

    def _key(self, project_id: int) -> str:
        return f"{self._prefix}{project_id}"
