"""Predictions are read, stored and deleted in a stand-in for Label Studio; see tests/e2e for the real one."""

from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.stored_predictions import TASKS_AT_A_TIME, StoredPredictions
from huggingface_ner.settings import Settings
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
EMPTY: dict[str, Any] = {"result": [], "score": 0.5}


@pytest.fixture
def stored(label_studio_api: LabelStudioApi) -> StoredPredictions:
    """A project with the tasks 1 to 5, of which 1 is annotated."""
    tasks: list[dict[str, Any]] = [{"id": task, "data": {"t": "x"}, "annotations": []} for task in range(1, 6)]
    tasks[0]["annotations"] = [{"id": 1, "result": []}]
    label_studio_api.add(7, CONFIG, tasks)
    settings = Settings(label_studio_host=label_studio_api.url, label_studio_api_key=SecretStr(LEGACY_TOKEN))
    return StoredPredictions(LabelStudioClient(settings), 7)


def test_tasks_that_need_a_prediction_are_found(stored: StoredPredictions) -> None:
    stored.store([2, 3], [EMPTY, EMPTY], "v1")
    stored.store([3], [EMPTY], "v2")

    def found(version: str, **options: Any) -> list[int]:
        return [task["id"] for task in stored.tasks_without(version, **{"after": 0, "limit": 9, **options})]

    assert found("v1") == [4, 5]
    assert found("v2") == [2, 4, 5]
    assert found("v2", after=2) == [4, 5]
    assert found("v2", limit=2) == [2, 4]
    assert found("v2", only_predicted=True) == [2]
    assert found("v3", only_predicted=True) == [2, 3]
    assert stored.tasks_without("v1", after=4, limit=1) == [{"id": 5, "data": {"t": "x"}}]


def test_predictions_are_counted_and_deleted_by_version(
    stored: StoredPredictions, label_studio_api: LabelStudioApi
) -> None:
    for version in ("v1", "v2"):
        stored.store([2, 3], [EMPTY, EMPTY], version)
    assert stored.versions() == {"v1": 2, "v2": 2}
    assert stored.delete_version("v1") == 2
    assert Counter(given["model_version"] for given in label_studio_api.predictions) == {"v2": 2}


def test_predictions_of_a_version_are_deleted_one_by_one(
    stored: StoredPredictions, label_studio_api: LabelStudioApi
) -> None:
    number = TASKS_AT_A_TIME + 1
    label_studio_api.tasks[7] = [{"id": task, "data": {}, "annotations": []} for task in range(1, number + 1)]
    for version in ("v1", "v10"):  # Label Studio's filter for v1 also finds v10
        stored.store(range(1, number + 1), [EMPTY] * number, version)
    for prediction in stored.ids("v1"):
        stored.delete(prediction)
    assert stored.versions() == {"v10": number}


def test_a_prediction_that_somebody_else_has_deleted_is_no_error(stored: StoredPredictions) -> None:
    stored.store([2, 3], [EMPTY, EMPTY], "v1")
    for prediction in list(stored.ids("v1")) * 2:
        stored.delete(prediction)
    assert stored.versions() == {}


def test_predictions_for_a_deleted_task_can_be_made_again(
    stored: StoredPredictions, label_studio_api: LabelStudioApi
) -> None:
    del label_studio_api.tasks[7][-1]
    with pytest.raises(ClientError, match="were tasks deleted") as refused:
        stored.store([4, 5], [EMPTY, EMPTY], "v1")
    assert refused.value.retryable
    assert label_studio_api.predictions == []


@pytest.mark.parametrize("status", [403, 500])
def test_refusals_are_reported(stored: StoredPredictions, label_studio_api: LabelStudioApi, status: int) -> None:
    label_studio_api.status = status
    for request in (stored.versions, lambda: next(stored.ids("v1")), lambda: stored.delete(1)):
        with pytest.raises(ClientError, match=str(status)):
            request()
