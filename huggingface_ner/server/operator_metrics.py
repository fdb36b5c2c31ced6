"""Metrics of the whole service: trainings, queue, models and workers.

They are read when ``/metrics`` is requested. They are the same in every server process, because they come from
Redis and from the disk. One request takes one round trip to Redis, however many projects there are; see
jobs.status_reader for the exceptions.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.worker_numbers import NUMBERS
from huggingface_ner.json_values import mapping
from huggingface_ner.server.pages.facts import FactsReader, ProjectFacts
from huggingface_ner.settings import Settings
from huggingface_ner.store.version_names import number_of

# Maximum number of projects that have their own metrics: the projects that were used last.
MAX_PROJECTS = 200
PREFIX = "huggingface_ner"


class OperatorMetrics(Collector):
    """Makes the metrics of the whole service.

    queue: None if there is no training queue. Without a queue, or if Redis does not answer, only facts about the
    models are available.
    """

    def __init__(self, settings: Settings, queue: TrainingQueue | None) -> None:
        self._facts = FactsReader(settings, queue)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering this object reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read and yield all metrics."""
        overview = self._facts.overview()
        projects = overview.projects
        yield _gauge("queue_up", "Whether the training queue answers: 1 or 0.", float(overview.trouble is None))
        yield _gauge("projects", "Projects about which something is stored.", len(projects))
        yield from _queue_metrics(projects)
        shown = sorted(projects, key=_last_used, reverse=True)[:MAX_PROJECTS]
        shown.sort(key=lambda known: known.project_id)
        yield from _training_metrics(shown)
        yield from _model_metrics(shown)
        yield from _worker_metrics(overview.workers)


def register(registry: CollectorRegistry, settings: Settings, queue: TrainingQueue | None) -> None:
    """Add the metrics to a registry."""
    registry.register(OperatorMetrics(settings, queue))


def _last_used(known: ProjectFacts) -> tuple[bool, float]:
    status = known.status
    times = [status.get("event_at"), status.get("setup_at"), (status.get("last") or {}).get("at")]
    return status["state"] in ("running", "waiting"), max(time for time in (*times, 0.0) if time is not None)


def _queue_metrics(projects: list[ProjectFacts]) -> Iterator[Metric]:
    states = [known.status["state"] for known in projects]
    for state in ("running", "waiting", "parked", "damaged"):
        yield _gauge(f"trainings_{state}", f"Projects whose training is {state}.", states.count(state))
    since = [known.status["waiting_since"] for known in projects if "waiting_since" in known.status]
    age = max(time.time() - min(since), 0.0) if since else 0.0
    yield _gauge("queue_age_seconds", "How long the oldest training has waited; 0 if none waits.", age)


def _training_metrics(projects: list[ProjectFacts]) -> Iterator[Metric]:
    trainings = _counter("trainings", "Trainings that have ended.", ["project", "outcome"])
    pushed = _counter("suggestions_pushed", "Tasks whose suggestions were stored in Label Studio.", ["project"])
    updates = _gauges("updates_until_training", "Annotation updates until the next training.", ["project"])
    seconds: dict[str, float] = {}
    for known in projects:
        project, totals = str(known.project_id), mapping(known.status.get("totals"))
        for outcome, count in mapping(totals.get("trainings")).items():
            trainings.add_metric([project, outcome], count)
        for phase, spent in mapping(totals.get("seconds")).items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
        pushed.add_metric([project], totals.get("pushed", 0))
        if "updates_until_training" in known.status:
            updates.add_metric([project], known.status["updates_until_training"])
    phases = _counter("training_phase_seconds", "How long trainings took, by phase.", ["phase"])
    for phase, spent in seconds.items():
        phases.add_metric([phase], spent)
    yield from (trainings, phases, pushed, updates)


def _model_metrics(projects: list[ProjectFacts]) -> Iterator[Metric]:
    f1 = _gauges("model_f1", "F1 of the version in use.", ["project"])
    version = _gauges("model_version", "Number of the version in use.", ["project"])
    tasks = _gauges("model_tasks", "Annotated tasks when the version in use was trained.", ["project"])
    left_out = _gauges("left_out_regions", "Annotated regions that the last training did not use.", ["project"])
    for known in projects:
        project = str(known.project_id)
        if known.score is not None and known.score.f1 is not None:
            f1.add_metric([project], known.score.f1)
        if known.version is not None:
            version.add_metric([project], number_of(known.version.name) or 0)
        if known.tasks is not None:
            tasks.add_metric([project], known.tasks)
        if known.left_out is not None:
            left_out.add_metric([project], known.left_out.regions_left_out)
    yield from (f1, version, tasks, left_out)


def _worker_metrics(workers: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    yield _gauge("workers", "Workers that are up.", len(workers))
    for kind, whose in (("worker", "a worker"), ("job", "a worker's job, if one runs")):
        for number in NUMBERS:
            name = number.removesuffix("_total")
            make = _gauges if name == number else _counter
            help_text = f"{name.replace('_', ' ').capitalize()} of the process of {whose}."
            family = make(f"{kind}_process_{name}", help_text, ["worker"])
            for worker, numbers in workers.items():
                value = mapping(numbers.get(kind)).get(number)
                if isinstance(value, int | float):
                    family.add_metric([worker], value)
            yield family


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", help_text, value=value)


def _gauges(name: str, help_text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", help_text, labels=labels)


def _counter(name: str, help_text: str, labels: list[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", help_text, labels=labels)
