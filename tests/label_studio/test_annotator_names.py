import pytest

from huggingface_ner.label_studio.annotator_names import MAX_NAME, annotator_names
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

USERS = [
    {"id": 1, "username": "ada", "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"},
    {"id": 2, "username": "bob", "email": "bob@example.org", "first_name": "", "last_name": ""},
    {"id": 3, "username": "eve", "email": "", "first_name": "", "last_name": None},
    {"id": 4, "username": "x", "first_name": "\ud800" + "x" * 200},
    {"id": 5, "username": "nobody", "email": "nobody@example.org"},
]


def names(api: LabelStudioApi, *annotators: int) -> dict[int, str]:
    client = LabelStudioClient(Settings(label_studio_host=api.url, label_studio_api_key=LEGACY_TOKEN))
    return annotator_names(client, 7, annotators)


def test_an_annotator_has_a_name_or_an_address(label_studio_api: LabelStudioApi) -> None:
    label_studio_api.users = USERS
    found = names(label_studio_api, 1, 2, 3, 4, 9)
    long = found.pop(4)
    assert found == {1: "Ada Lovelace", 2: "bob@example.org", 3: "eve"}
    assert (len(long), long[:2]) == (MAX_NAME, "?x")


def test_nobody_is_asked_for_if_there_is_only_one(label_studio_api: LabelStudioApi) -> None:
    assert names(label_studio_api) == names(label_studio_api, 1) == {}
    assert label_studio_api.requests == []


def test_a_failure_is_told(label_studio_api: LabelStudioApi) -> None:
    label_studio_api.status = 500
    with pytest.raises(ClientError):
        names(label_studio_api, 1, 2)
