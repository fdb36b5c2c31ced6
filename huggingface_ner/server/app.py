"""The Flask app: what Label Studio asks, and what operators look at."""

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.server import auth, errors
from huggingface_ner.server.connection import connection_check
from huggingface_ner.server.errors import BadRequestError
from huggingface_ner.server.metrics import Metrics
from huggingface_ner.settings import Settings
from huggingface_ner.tagger_pool import PoolState, TaggerPool

# Label Studio waits 3 s for /setup; a model that is about to be ready is worth most of them.
SECONDS_TO_WAIT_FOR_MODEL = 2.0

logger = logging.getLogger(__name__)


def create_app(settings: Settings, pool: TaggerPool) -> Flask:
    """Make the app; the pool is somebody else's to start and close."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    metrics = Metrics()

    @app.before_request
    def name_request() -> None:
        g.request_id = uuid.uuid4().hex[:12]

    @app.after_request
    def tell_request_id(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        return response

    metrics.install(app)
    auth.install(app, settings)
    errors.install(app, settings)

    @app.get("/")
    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(
            status="UP", **_shown(pool.state), **({"engines": engines} if (engines := pool.engines()) else {})
        )

    @app.get("/ready")
    def ready() -> ResponseReturnValue:
        state = pool.state
        is_ready = state.state == "ready"
        return jsonify(ready=is_ready, **_shown(state)), 200 if is_ready else 503

    @app.post("/setup")
    def setup() -> ResponseReturnValue:
        body = _json_object()
        config = _text(body, "schema")
        if config is not None:
            _check_config("schema", config)
        project = parse_project_id(body.get("project"))
        return jsonify(model_version=pool.model_version(project, SECONDS_TO_WAIT_FOR_MODEL))

    @app.post("/predict")
    def predict() -> ResponseReturnValue:
        body = _json_object()
        tasks = body.get("tasks")
        if not isinstance(tasks, list):
            raise BadRequestError(f"tasks: a list of tasks is needed, not {_kind(tasks)}")
        config = _text(body, "label_config")
        if config is None:
            raise BadRequestError("label_config: the project's labelling config is missing")
        _check_config("label_config", config)
        params = body.get("params")
        context = params.get("context") if isinstance(params, dict) else None
        pool.wait(SECONDS_TO_WAIT_FOR_MODEL)
        is_wanted = connection_check(request.environ)
        results = _model(settings, pool, body.get("project"), config, is_wanted).predict(tasks, context=context)
        metrics.tasks.inc(len(results))
        metrics.regions.inc(sum(len(result["result"]) for result in results))
        return jsonify(results=results)

    @app.post("/webhook")
    def webhook() -> ResponseReturnValue:
        body = _json_object()
        action = body.get("action")
        if not isinstance(action, str) or not action:
            raise BadRequestError("action: the name of a webhook event is needed")
        project = body.get("project")
        project_id = project.get("id") if isinstance(project, dict) else None
        answer = _model(settings, pool, project_id).fit(action, body)
        metrics.webhooks.labels(action if action in KNOWN_ACTIONS else "other").inc()
        return jsonify(answer)

    @app.get("/versions")
    def versions() -> ResponseReturnValue:
        return jsonify(versions=pool.versions())

    @app.get("/metrics")
    def show_metrics() -> ResponseReturnValue:
        metrics.ready.set(pool.state.state == "ready")
        metrics.waiting.set(pool.waiting_texts)
        return metrics.render()

    return app


KNOWN_ACTIONS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_DELETED",
        "PROJECT_UPDATED",
        "START_TRAINING",
        "TASKS_CREATED",
        "TASKS_DELETED",
    }
)


def _model(
    settings: Settings,
    pool: TaggerPool,
    project_id: object,
    label_config: str | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> HuggingFaceNER:
    return HuggingFaceNER(
        project_id=None if project_id is None else str(project_id),
        label_config=label_config,
        settings=settings,
        pool=pool,
        is_wanted=is_wanted,
    )


def _shown(state: PoolState) -> dict[str, str]:
    shown = {"model": state.state, "model_version": state.model_version, "reason": state.reason}
    return {name: value for name, value in shown.items() if value is not None}


def _json_object() -> Mapping[str, Any]:
    try:
        body = request.get_json(force=True)
    except BadRequest:
        raise BadRequestError("body: it is no JSON") from None
    if not isinstance(body, dict):
        raise BadRequestError(f"body: a JSON object is needed, not {_kind(body)}")
    return body


def _text(body: Mapping[str, Any], field: str) -> str | None:
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{field}: a text is needed, not {_kind(value)}")
    return value


def _check_config(field: str, config: str) -> None:
    try:
        parse_labeling_config(config)
    except LabelingConfigError as error:
        raise BadRequestError(f"{field}: {error}") from error


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
