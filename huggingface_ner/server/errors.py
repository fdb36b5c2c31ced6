"""Turns errors into HTTP answers; no other module does."""

import logging

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from huggingface_ner.errors import ClientGoneError, HuggingFaceNERError, UnavailableError
from huggingface_ner.label_studio.labeling_config import LabelingConfigError
from huggingface_ner.settings import Settings

# nginx's status for a client that has disconnected; it appears only in the log and in the metrics.
CLIENT_GONE = 499

# The key in the WSGI environ under which our server stores the error with which it refuses a request.
REFUSAL = "huggingface_ner.refusal"

# For each route, the field of its requests that contains the labelling config.
CONFIG_FIELDS = {"/setup": "schema", "/predict": "label_config"}

logger = logging.getLogger(__name__)


class BadRequestError(HuggingFaceNERError):
    """A request cannot be used; the message names the field and says what it must be."""


def install(app: Flask, settings: Settings) -> None:
    """Answer every error of the app's routes with ``{"error": ...}``, never with a traceback."""
    app.before_request(_refuse)

    @app.errorhandler(BadRequestError)
    def bad_request(error: BadRequestError) -> Response:
        return _answer(400, str(error))

    @app.errorhandler(LabelingConfigError)
    def bad_config(error: LabelingConfigError) -> Response:
        return _answer(400, f"{CONFIG_FIELDS.get(request.path, 'label_config')}: {error}")

    @app.errorhandler(UnavailableError)
    def unavailable(error: UnavailableError) -> Response:
        answer = _answer(503, str(error))
        answer.headers["Retry-After"] = str(round(error.retry_after))
        return answer

    @app.errorhandler(ClientGoneError)
    def client_gone(error: ClientGoneError) -> Response:
        logger.debug("%s", error)
        return _answer(CLIENT_GONE, str(error))

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return _answer(
            413,
            f"the request is longer than MAX_REQUEST_BYTES={settings.max_request_bytes}: "
            "select fewer tasks at a time, or raise the limit",
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        answer = _answer(error.code or 500, error.description or error.name)
        for name, value in error.get_headers():
            if name != "Content-Type":
                answer.headers[name] = value
        return answer

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        logger.error("the request failed", exc_info=error)
        return _answer(500, f"internal error; the log has the reason under request id {g.request_id}")


def _refuse() -> None:
    refusal = request.environ.get(REFUSAL)
    if refusal is not None:
        raise refusal


def _answer(status: int, message: str) -> Response:
    answer = jsonify(error=message, request_id=g.request_id)
    answer.status_code = status
    return answer
