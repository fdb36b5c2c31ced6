"""The Flask app, with the routes that Label Studio requests."""

import logging
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from redis import RedisError
from werkzeug.exceptions import BadRequest

from huggingface_ner.errors import UnavailableError
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.label_studio.events import KNOWN_ACTIONS, START_TRAINING, read_event
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.model_class import load_model_class
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.logs import working_on
from huggingface_ner.model import HuggingFaceNER
from huggingface_ner.secret_values import can_be_sent
from huggingface_ner.server import auth, errors, monitoring
from huggingface_ner.server.client_connection import connection_check
from huggingface_ner.server.errors import BadRequestError
from huggingface_ner.server.label_matches import LabelMatches
from huggingface_ner.server.metrics import Metrics
from huggingface_ner.server.pages import routes as pages
from huggingface_ner.server.sightings import Sightings
from huggingface_ner.server.webhook_credentials import WebhookCredentials
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The key in the WSGI environ under which the request's id is stored.
REQUEST_ID = "huggingface_ner.request_id"
# Seconds to wait for a model that is still loading; Label Studio waits 3 s for the answer to /setup.
MODEL_WAIT_TIMEOUT = 2.0
# Longer tokens are not stored.
MAX_TOKEN_CHARACTERS = 10_000

logger = logging.getLogger(__name__)


def create_app(settings: Settings, models: ServedModels, queue: TrainingQueue | None = None) -> Flask:
    """Make the app; the caller starts and closes ``models``.

    queue: the queue in which trainings are requested; if it is None, the answer to a webhook says so.
    Raises ModelClassError if MODEL_CLASS cannot be used.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    model_class: type[HuggingFaceNER] = load_model_class(settings.model_class, HuggingFaceNER)
    make_model = partial(model_class, settings=settings, models=models, queue=queue)
    metrics = Metrics(settings, queue, models)
    credentials = WebhookCredentials(settings, queue)
    labels = LabelMatches(queue)
    sightings = Sightings(queue)

    _identify_requests(app)
    metrics.install(app)
    auth.install(app, settings)
    errors.install(app, settings)
    pages.install(app, settings, queue, monitoring.install(app, models, queue, metrics, labels))

    @app.post("/setup")
    def setup() -> ResponseReturnValue:
        body = _json_object()
        config = _text(body, "schema")
        if config is not None:
            parse_labeling_config(config)
        project = parse_project_id(body.get("project"))
        _remember_token(settings, queue, project, body.get("access_token"))
        credentials.look_after(project, request.host)
        sightings.connected(project, body.get("hostname"))
        return jsonify(model_version=models.model_version(project, MODEL_WAIT_TIMEOUT))

    @app.post("/predict")
    def predict() -> ResponseReturnValue:
        body = _json_object()
        tasks, config = _tasks(body), _label_config(body)
        params = body.get("params")
        context = params.get("context") if isinstance(params, dict) else None
        models.wait(MODEL_WAIT_TIMEOUT)
        project = parse_project_id(body.get("project"))
        model = make_model(
            project_id=None if body.get("project") is None else str(body["project"]),
            label_config=config,
            is_connected=connection_check(request.environ),
        )
        if context is None:
            # 0.0, because an answer must not wait for a model only to compare its labels
            with suppress(UnavailableError):
                served = models.model_for(project, 0.0)
                labels.note(project, served.version, served.labels, config)
        with working_on(project=project):
            results = model.predict(tasks, context=context)
        metrics.count_predictions(results)
        return jsonify(results=results)

    @app.post("/webhook")
    def webhook() -> ResponseReturnValue:
        body = _json_object()
        action = body.get("action")
        if not isinstance(action, str) or not action:
            raise BadRequestError("action: must be the name of a webhook event")
        answer = make_model().fit(action, body)
        event = read_event(action, body)
        if action != START_TRAINING:  # Label Studio sends this event with credentials, like /predict
            credentials.arrived(event.project_id)
            sightings.event_arrived(event)
        metrics.webhooks.labels(action if action in KNOWN_ACTIONS else "other").inc()
        return jsonify(answer)

    @app.get("/versions")
    def versions() -> ResponseReturnValue:
        return jsonify(versions=models.versions())

    return app


def _identify_requests(app: Flask) -> None:
    """Give every request an id, which is in its answer and in the log."""
    answer = app.wsgi_app

    def answer_with_id(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        environ[REQUEST_ID] = uuid.uuid4().hex[:12]
        with working_on(request=environ[REQUEST_ID]):
            return answer(environ, start_response)

    @app.before_request
    def keep_id() -> None:
        g.request_id = request.environ[REQUEST_ID]

    @app.after_request
    def send_id(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        return response

    app.wsgi_app = answer_with_id  # type: ignore[method-assign]  # as Flask's documentation says


def _remember_token(settings: Settings, queue: TrainingQueue | None, project: int | None, token: object) -> None:
    """Store the token that Label Studio sends, unless LABEL_STUDIO_API_KEY is set."""
    if settings.label_studio_api_key is not None or queue is None or project is None:
        return
    # the token is sent in a header later; the JSON field may contain anything, even text that Redis cannot store
    if isinstance(token, str) and 0 < len(token) <= MAX_TOKEN_CHARACTERS and can_be_sent(token):
        try:
            queue.notes.put_token(project, token)
        except RedisError as error:
            logger.warning("project %d: its token could not be stored: %s", project, error)


def _json_object() -> Mapping[str, Any]:
    try:
        body = request.get_json(force=True)
    except (BadRequest, RecursionError):
        raise BadRequestError("body: the request is not valid JSON, or is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequestError(f"body: must be a JSON object; it is {_kind(body)}")
    return body


def _tasks(body: Mapping[str, Any]) -> list[Any]:
    tasks = body.get("tasks")
    if not isinstance(tasks, list):
        raise BadRequestError(f"tasks: must be a list of tasks; it is {_kind(tasks)}")
    return tasks


def _label_config(body: Mapping[str, Any]) -> str:
    config = _text(body, "label_config")
    if config is None:
        raise BadRequestError("label_config: the project's labelling config is missing")
    return config


def _text(body: Mapping[str, Any], field: str) -> str | None:
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{field}: must be a text; it is {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return "missing or null" if value is None else f"of type {type(value).__name__}"
