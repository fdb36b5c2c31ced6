"""Reads from an error of Label Studio why it refuses a request, without texts and secrets."""

import re
from collections.abc import Iterator

from label_studio_sdk.core.api_error import ApiError

from huggingface_ner.json_values import mapping
from huggingface_ner.secret_values import without_credentials

MAX_REASON = 200
MAX_ERRORS = 3
# Errors of nested objects are nested too; Label Studio's own are not deeper than this.
MAX_DEPTH = 5
# The fields of a validation error that say nothing to people.
_GENERAL = ("non_field_errors", "__all__")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# A quoted value, up to the closing quotation mark or the end. An apostrophe inside a word quotes nothing.
_QUOTED = re.compile(r"\"[^\"]*(\"|$)|“[^”]*(”|$)|`[^`]*(`|$)|(?<!\w)'.*?('(?!\w)|$)", re.DOTALL)
_QUOTE = "'…'"


def http_error(error: ApiError, secret: str | None = None) -> str:
    """Return the status of an error of Label Studio and, if the answer says it, the reason; see refusal_reason."""
    reason = refusal_reason(error.body, secret)
    return f"HTTP {error.status_code}: {reason}" if reason else f"HTTP {error.status_code}"


def refusal_reason(body: object, secret: str | None = None) -> str:
    """Return why Label Studio refuses a request, in a line of up to MAX_REASON characters; "" if it does not say.

    body: the answer's JSON. Label Studio's errors have ``detail``, and those of validation ``validation_errors``
    by field. Values that a message quotes may be texts of tasks, so they are left out, as is ``secret``.
    """
    answer = mapping(body)
    errors = [*_errors(answer.get("validation_errors"))][:MAX_ERRORS]
    detail = answer.get("detail")
    reason = "; ".join(errors) if errors else detail if isinstance(detail, str) else ""
    if secret:
        reason = reason.replace(secret, "***")
    reason = " ".join(without_credentials(_QUOTED.sub(_QUOTE, reason)).split())
    reason = "".join(character for character in reason if character.isprintable())
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


def _errors(value: object, field: str = "", depth: int = 0) -> Iterator[str]:
    """Yield each message of a validation error, after the name of its field."""
    if isinstance(value, str):
        yield f"{field}: {value}" if field else value
    elif isinstance(value, list | dict) and depth < MAX_DEPTH:
        for name, each in value.items() if isinstance(value, dict) else ((field, each) for each in value):
            known = name if _FIELD.fullmatch(str(name)) and name not in _GENERAL else field
            yield from _errors(each, known, depth + 1)
