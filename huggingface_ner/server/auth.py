"""Requires HTTP basic authentication on every route."""

import base64
import binascii
import hmac
import logging
from contextlib import suppress

from flask import Flask, Response, g, jsonify, request

from huggingface_ner.settings import Settings

logger = logging.getLogger(__name__)


def install(app: Flask, settings: Settings) -> None:
    """Require BASIC_AUTH_USER and BASIC_AUTH_PASS on every route, also on ``/health``, if they are set.

    If the credentials are wrong or missing, Label Studio shows this to its user.
    """
    credentials = expected(settings)
    if credentials is None:
        return
    accepted = _encodings(credentials)

    @app.before_request
    def check_credentials() -> Response | None:
        # compares bytes, because the encoding is unknown, and takes constant time, so timing reveals nothing
        given = _credentials(request.headers.get("Authorization", ""))
        if any(hmac.compare_digest(given, each) for each in accepted):
            return None
        logger.warning("%.10s %.100s: credentials are missing or wrong", request.method, request.path)
        answer = jsonify(error="Authorization: credentials are missing or wrong", request_id=g.request_id)
        answer.status_code = 401
        answer.headers["WWW-Authenticate"] = 'Basic realm="Label Studio ML backend", charset="UTF-8"'
        return answer


def expected(settings: Settings) -> bytes | None:
    """Return the credentials, ``user:password``, that every request must contain; None if none are set."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return None
    return f"{settings.basic_auth_user}:{settings.basic_auth_pass.get_secret_value()}".encode()


def _encodings(credentials: bytes) -> list[bytes]:
    """Return the credentials in UTF-8 and, as Label Studio encodes them, in Latin-1."""
    accepted = [credentials]
    with suppress(UnicodeEncodeError):  # Latin-1 lacks a character: Label Studio cannot send these credentials
        accepted.append(credentials.decode().encode("latin-1"))
    return accepted


def _credentials(header: str) -> bytes:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip().encode("utf-8", "replace"), validate=True)
    except binascii.Error:
        return b""
