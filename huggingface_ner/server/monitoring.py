"""Routes for operators: health, readiness, trainings, metrics."""

from collections.abc import Callable

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from redis import RedisError

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.server.errors import BadRequestError
from huggingface_ner.server.label_matches import LabelMatches
from huggingface_ner.server.metrics import Metrics
from huggingface_ner.serving.baseline import RETRY_INTERVAL, BaselineState
from huggingface_ner.serving.served_models import NotReadyError, ServedModels


def install(
    app: Flask, models: ServedModels, queue: TrainingQueue | None, metrics: Metrics, labels: LabelMatches
) -> Callable[[], ResponseReturnValue]:
    """Add the routes for operators to the app; return the function that answers ``/health``."""

    @app.get("/health")
    def health() -> ResponseReturnValue:
        more = {
            "engines": models.engines(),
            "passed_over": models.passed_over(),
            "labels": labels.inexact(),
        }
        return jsonify(status="UP", **_shown(models.state), **{name: told for name, told in more.items() if told})

    @app.get("/ready")
    def ready() -> ResponseReturnValue:
        state = models.state
        is_ready = state.state == "ready"
        return jsonify(ready=is_ready, **_shown(state)), 200 if is_ready else 503

    @app.get("/training")
    def training() -> ResponseReturnValue:
        if queue is None:
            raise NotReadyError("there is no training queue: set REDIS_URL", RETRY_INTERVAL)
        asked = request.args.get("project")
        project = parse_project_id(asked)
        if asked is not None and project is None:
            raise BadRequestError("project: must be the number of a project")
        try:
            if project is not None:
                return jsonify(queue.status(project))
            return jsonify(projects=queue.overview().statuses)
        except RedisError as error:
            raise NotReadyError(f"the training queue does not answer: {error}", RETRY_INTERVAL) from error

    @app.get("/metrics")
    def show_metrics() -> ResponseReturnValue:
        metrics.ready.set(models.state.state == "ready")
        metrics.waiting.set(models.waiting_texts)
        return metrics.render()

    return health


def _shown(state: BaselineState) -> dict[str, str]:
    shown = {"model": state.state, "model_version": state.model_version, "reason": state.reason}
    return {name: value for name, value in shown.items() if value is not None}
