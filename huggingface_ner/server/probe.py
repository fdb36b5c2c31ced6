"""Requests /health of the server on this machine, as a container's health check does."""

import base64
import urllib.request

from huggingface_ner.settings import Settings

ANSWER_TIMEOUT = 3.0


def ask_health(settings: Settings) -> str:
    """Return the answer of ``/health`` on this machine, requested with the settings' credentials.

    Raises OSError if there is no answer.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared only
    request = urllib.request.Request(f"http://{host}:{settings.port}/health")
    if settings.basic_auth_user is not None and settings.basic_auth_pass is not None:
        credentials = f"{settings.basic_auth_user}:{settings.basic_auth_pass.get_secret_value()}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT) as answer:  # noqa: S310
            return str(answer.read().decode()).strip()
    except OSError as error:
        raise ConnectionError(f"{request.full_url}: {error}") from error
