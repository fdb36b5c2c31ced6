"""Collects metrics for Prometheus, summed over the server's processes."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.server import operator_metrics
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings


class Metrics:
    """The service's metrics. They have their own registry, because one process can have several apps.

    If PROMETHEUS_MULTIPROC_DIR is set, every process writes its values to that folder.
    Any process then reports the sums.
    """

    def __init__(self, settings: Settings, queue: TrainingQueue | None, models: ServedModels) -> None:
        self._settings = settings
        self._queue = queue
        self._models = models
        self._lock = threading.Lock()
        self._texts = {"cached": 0, "refused": 0}
        self._registry = CollectorRegistry()
        operator_metrics.register(self._registry, settings, queue)
        self.requests = Counter(
            "huggingface_ner_requests",
            "HTTP requests answered.",
            ["route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "huggingface_ner_request_seconds",
            "How long HTTP requests took.",
            ["route"],
            buckets=(0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100),
            registry=self._registry,
        )
        self.tasks = Counter("huggingface_ner_tasks", "Tasks predicted.", registry=self._registry)
        self.regions = Counter("huggingface_ner_regions", "Regions predicted.", registry=self._registry)
        self._counted = {
            "cached": Counter(
                "huggingface_ner_cached_texts",
                "Texts answered from the prediction cache.",
                registry=self._registry,
            ),
            "refused": Counter(
                "huggingface_ner_refused_texts",
                "Texts refused because too many waited.",
                registry=self._registry,
            ),
        }
        self.webhooks = Counter(
            "huggingface_ner_webhooks", "Webhook events received.", ["action"], registry=self._registry
        )
        self.ready = Gauge(
            "huggingface_ner_ready",
            "Server processes that have a model to predict with.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

        self.waiting = Gauge(
            "huggingface_ner_waiting_texts",
            "Texts that are being tagged or are waiting.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def render(self) -> Response:
        """Return all metrics in Prometheus's text format."""
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            operator_metrics.register(registry, self._settings, self._queue)
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    def count_predictions(self, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Count the predictions of a request, and their regions."""
        self.tasks.inc(len(predictions))
        self.regions.inc(sum(len(prediction["result"]) for prediction in predictions))

    def install(self, app: Flask) -> None:
        """Count and time every request."""

        @app.before_request
        def start() -> None:
            g.started = time.perf_counter()

        @app.after_request
        def record(response: Response) -> Response:
            route = request.url_rule.rule if request.url_rule else "unknown"
            self.requests.labels(route, response.status_code).inc()
            self.seconds.labels(route).observe(time.perf_counter() - g.started)
            self._count_texts()
            return response

    def _count_texts(self) -> None:
        """Count the texts that this process answered from its cache or refused since the last call."""
        with self._lock:
            now = {"cached": self._models.cached_texts, "refused": self._models.refused_texts}
            for name, count in now.items():
                self._counted[name].inc(count - self._texts[name])
            self._texts = now
