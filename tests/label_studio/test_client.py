"""The client, against a stand-in that serves recorded answers of Label Studio."""

from typing import Any

import pytest
from pydantic import SecretStr

from huggingface_ner.label_studio.client import TASKS_AT_A_TIME, ClientError, LabelStudioClient, Project
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.settings import Settings
from tests import recorded
from tests.label_studio_api import LEGACY_TOKEN, PERSONAL_ACCESS_TOKEN, LabelStudioApi, serve_label_studio_api

CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'


def _client(api: LabelStudioApi, key: str = LEGACY_TOKEN) -> LabelStudioClient:
    return LabelStudioClient(Settings(label_studio_host=api.url, label_studio_api_key=key))


def _tasks(count: int) -> list[dict[str, Any]]:
    return [{"id": n, "data": {"t": f"text {n}"}, "annotations": [{"result": []}]} for n in range(1, count + 1)]


@pytest.mark.filterwarnings("ignore:The `parse_obj` method")  # SDK 2.1.2 calls it for access tokens
@pytest.mark.parametrize("key", [LEGACY_TOKEN, PERSONAL_ACCESS_TOKEN])
def test_a_project_is_read_with_either_token(label_studio_api: LabelStudioApi, key: str) -> None:
    label_studio_api.add(7, CONFIG, _tasks(1))
    client = _client(label_studio_api, key)
    assert client.project(7) == Project("news", CONFIG)
    (task,) = client.annotated_tasks(7)
    assert (task["id"], task["data"]) == (1, {"t": "text 1"})
    assert task["annotations"][0]["result"] == []
    assert task["annotations"][0]["was_cancelled"] is False


@pytest.mark.parametrize("count", [0, 1, TASKS_AT_A_TIME, TASKS_AT_A_TIME * 2 + 1])
def test_all_pages_are_read_and_not_more(label_studio_api: LabelStudioApi, count: int) -> None:
    unannotated = {"id": 9999, "data": {}, "annotations": []}
    label_studio_api.add(7, CONFIG, [*_tasks(count), unannotated])
    assert [task["id"] for task in _client(label_studio_api).annotated_tasks(7)] == list(range(1, count + 1))


def test_pages_are_asked_for_as_they_are_needed(label_studio_api: LabelStudioApi) -> None:
    label_studio_api.add(7, CONFIG, _tasks(TASKS_AT_A_TIME * 3))
    next(iter(_client(label_studio_api).annotated_tasks(7)))
    assert label_studio_api.requests == ["GET /api/tasks/"]


def test_a_wrong_key_says_what_to_do(label_studio_api: LabelStudioApi) -> None:
    label_studio_api.add(7, CONFIG, [])
    for key in ("wrong", "x.y.z"):
        with pytest.raises(ClientError, match="does not accept LABEL_STUDIO_API_KEY") as raised:
            _client(label_studio_api, key).labeling_config(7)
        assert not raised.value.retryable
        assert key not in str(raised.value)


def test_what_a_request_tells_is_noted(label_studio_api: LabelStudioApi) -> None:
    skipped, truth = {"result": [], "was_cancelled": True}, {"result": [], "ground_truth": True}
    tasks = [
        *_tasks(2),
        {"id": 8, "data": {}, "annotations": [truth]},
        {"id": 9, "data": {}, "annotations": [skipped]},
    ]
    label_studio_api.add(7, CONFIG, tasks)
    told: list[Contact] = []
    settings = Settings(label_studio_host=label_studio_api.url, label_studio_api_key=SecretStr(LEGACY_TOKEN))
    client = LabelStudioClient(settings, note=told.append)
    for ask in (client.project, client.annotation_count):
        ask(7)
        assert told[-1] == Contact(7, title="news", counts=TaskCounts(4, 3))
    wrong = settings.model_copy(update={"label_studio_api_key": SecretStr("wrong")})
    with pytest.raises(ClientError):
        LabelStudioClient(wrong, note=told.append).project(7)
    assert (told[-1].refuses_key, told[-1].counts) == (True, None)
    for project, status in ((8, None), (7, 500)):
        label_studio_api.status = status
        with pytest.raises(ClientError):
            client.project(project)
        assert told[-1].trouble
        assert not told[-1].refuses_key


def test_an_unknown_project_says_so(label_studio_api: LabelStudioApi) -> None:
    with pytest.raises(ClientError, match="has no project 8") as raised:
        _client(label_studio_api).labeling_config(8)
    assert not raised.value.retryable


def test_annotated_tasks_have_their_predictions(label_studio_api: LabelStudioApi) -> None:
    (task, *_) = recorded("predict_tasks_with_annotations_and_predictions")["request"]["body"]["tasks"]
    odd = {"id": 3, "created_at": "yesterday"}
    label_studio_api.add(7, CONFIG, [{**task, "predictions": [*task["predictions"], odd]}])
    (found,) = _client(label_studio_api).annotated_tasks(7)
    (prediction,) = task["predictions"]
    assert found["predictions"][0] == {
        **{name: prediction[name] for name in ("id", "model_version", "result")},
        "created_at": "2026-11-23T22:40:50.209905+00:00",
    }
    assert found["predictions"][1] == {"model_version": None, "result": None, **odd}


def test_the_token_that_label_studio_sends_serves_for_want_of_a_key(label_studio_api: LabelStudioApi) -> None:
    label_studio_api.add(7, CONFIG, _tasks(1))
    without = Settings(label_studio_host=label_studio_api.url)
    assert LabelStudioClient(without, LEGACY_TOKEN).labeling_config(7) == CONFIG
    with pytest.raises(ClientError, match="the token that it sent with /setup"):
        LabelStudioClient(without, "x" * 40).labeling_config(7)
    with_key = Settings(label_studio_host=label_studio_api.url, label_studio_api_key=LEGACY_TOKEN)
    assert LabelStudioClient(with_key, "x" * 40).labeling_config(7) == CONFIG, "the key takes precedence"


def test_without_a_key_it_says_where_to_get_one() -> None:
    with pytest.raises(ClientError, match="LABEL_STUDIO_API_KEY is not set"):
        LabelStudioClient(Settings())


def test_a_label_studio_that_is_away_may_come_back(label_studio_api: LabelStudioApi) -> None:
    away = LabelStudioClient(Settings(label_studio_host="http://127.0.0.1:1", label_studio_api_key="k"))
    with pytest.raises(ClientError, match=r"LABEL_STUDIO_HOST=http://127.0.0.1:1 does not answer") as raised:
        away.labeling_config(7)
    assert raised.value.retryable
    label_studio_api.status = 418
    with pytest.raises(ClientError, match="HTTP 418") as raised:
        _client(label_studio_api).labeling_config(7)
    assert not raised.value.retryable


@pytest.mark.filterwarnings("ignore:The `parse_obj` method")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("key", [LEGACY_TOKEN, PERSONAL_ACCESS_TOKEN])
def test_no_key_follows_a_redirect(label_studio_api: LabelStudioApi, key: str, status: int) -> None:
    with serve_label_studio_api() as other:
        label_studio_api.redirects = status, other.url
        with pytest.raises(ClientError, match="set LABEL_STUDIO_HOST to the address") as raised:
            _client(label_studio_api, key).project(7)
        assert not raised.value.retryable
        assert label_studio_api.requests
        assert other.requests == []
