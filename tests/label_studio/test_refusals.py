from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.label_studio.client import ClientError, KeyRefusedError, LabelStudioClient
from huggingface_ner.label_studio.refusals import MAX_REASON, refusal_reason
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _invalid(**errors: Any) -> dict[str, Any]:
    """Return an answer of Label Studio 1.23.2 to a request that is not valid."""
    return {"status_code": 400, "detail": "Validation error", "validation_errors": errors, "exc_info": None}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"detail": "No Project matches the given query."}, "No Project matches the given query."),
        (_invalid(model_version=["This field is required."]), "model_version: This field is required."),
        (_invalid(non_field_errors=["Version is unknown."]), "Version is unknown."),
        (_invalid(), "Validation error"),
        (_invalid(a=["1"], b=["2"], c=["3"], d=["4"]), "a: 1; b: 2; c: 3"),
        (_invalid(result=[{}, {"score": ["A valid number is required."]}]), "score: A valid number is required."),
        (_invalid(**{"a text": ["Not allowed."]}), "Not allowed."),
        ({"detail": "one\ntwo\r\n\x1b[31mthree\u2028four"}, "one two [31mthree four"),
        ("<html>Bad gateway</html>", ""),
        (None, ""),
        ([], ""),
        ({"detail": ["x"]}, ""),
        ({"detail": None, "exc_info": "Traceback of Anna"}, ""),
    ],
)
def test_the_reason_is_read(body: object, reason: str) -> None:
    assert refusal_reason(body) == reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('"Anna flew" is not a valid choice.', "'…' is not a valid choice."),
        ("Value 'Anna's book' isn't allowed, 'x' isn't either", "Value '…' isn't allowed, '…' isn't either"),
        ("Cut off: {'text': 'Anna fl", "Cut off: {'…': '…'"),
        ('Invalid: "Anna\nflew', "Invalid: '…'"),
        ("not in `Anna` or “Anna”", "not in '…' or '…'"),
        ("http://u:p4ss@host does not answer", "http://***@host does not answer"),
        ("key-1 is wrong", "*** is wrong"),
    ],
)
def test_values_and_secrets_are_left_out(message: str, reason: str) -> None:
    for body in ({"detail": message}, _invalid(non_field_errors=[message])):
        assert refusal_reason(body, "key-1") == reason


@given(JSON, JSON)
def test_any_answer_gives_one_short_line(detail: object, errors: object) -> None:
    for body in (detail, {"detail": detail, "validation_errors": errors}):
        reason = refusal_reason(body)
        assert len(reason) <= MAX_REASON
        assert reason.isprintable()


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 429, 500, 503])
def test_the_client_says_why_label_studio_refuses_a_request(label_studio_api: LabelStudioApi, status: int) -> None:
    label_studio_api.status = status
    client = LabelStudioClient(Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN))
    with pytest.raises(ClientError, match=f"HTTP {status}: as the test asks") as raised:
        client.select_version(7, "v1")
    assert isinstance(raised.value, KeyRefusedError) == (status in (401, 403))
