"""The predictions that Label Studio has stored for the tasks of a project."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from label_studio_sdk import PredictionRequest
from label_studio_sdk.core.api_error import ApiError

from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.refusals import http_error

TASKS_AT_A_TIME = 200


class StoredPredictions:
    """Reads, stores and deletes the predictions of a project; all methods raise ClientError."""

    def __init__(self, client: LabelStudioClient, project_id: int) -> None:
        self._client = client
        self._project_id = project_id

    def tasks_without(
        self, version: str, *, after: int, limit: int, only_predicted: bool = False
    ) -> list[dict[str, Any]]:
        """Return the next tasks that nobody has annotated and that have no prediction of a model version.

        after: only tasks with a higher id are returned. limit: the maximum number of tasks. They are sorted by id.
        only_predicted: only tasks that have another prediction are returned.
        """
        conditions = [
            _condition("total_annotations", "Number", "equal", 0),
            _condition("id", "Number", "greater", after),
            _condition("predictions_model_versions", "List", "not_contains", [version]),
        ]
        if only_predicted:
            conditions.append(_condition("total_predictions", "Number", "greater", 0))
        return [{"id": task.id, "data": task.data} for task in self._tasks(conditions, "task_only", limit)]

    def store(self, tasks: Sequence[int], predictions: Sequence[Mapping[str, Any]], version: str) -> None:
        """Store a version's predictions, each with ``result`` and ``score``, for tasks.

        Label Studio 1.23.2 refuses all of them if one of the tasks was deleted meanwhile, or if the labels have
        changed. As the same tasks would be refused again, read them anew after this error.
        """
        requests = [
            PredictionRequest(
                task=task, result=prediction["result"], score=prediction["score"], model_version=version
            )
            for task, prediction in zip(tasks, predictions, strict=True)
        ]
        with self._client.request(self._project_id) as sdk:
            try:
                sdk.projects.import_predictions(self._project_id, request=requests)
            except ApiError as error:
                if error.status_code != 400:
                    raise
                raise ClientError(
                    f"Label Studio refuses predictions for {len(requests)} tasks ({http_error(error)}): were "
                    "tasks deleted, or labels changed, while the predictions were made?",
                    retryable=True,
                ) from error

    def versions(self) -> dict[str, int]:
        """Return how many predictions each model version has."""
        counts: Any = self._of_versions("GET")
        return {str(version): int(count) for version, count in counts.items()}

    def ids(self, version: str) -> Iterator[int]:
        """Yield the ids of a model version's predictions."""
        has_version = _condition("predictions_model_versions", "List", "contains", [version])
        after = 0
        while True:
            conditions = [has_version, _condition("id", "Number", "greater", after)]
            tasks = self._tasks(conditions, "all", TASKS_AT_A_TIME)
            if not tasks:
                return
            for task in tasks:
                # the filter also finds versions whose names contain this one
                yield from (int(one.id) for one in task.predictions or [] if one.model_version == version)
            after = max(task.id for task in tasks)

    def delete(self, prediction: int) -> None:
        """Delete a prediction, given its id; one that somebody else has deleted is no error."""
        with self._client.request(self._project_id) as sdk:
            try:
                sdk.predictions.delete(prediction)
            except ApiError as error:
                if error.status_code != 404:
                    raise

    def delete_version(self, version: str) -> int:
        """Delete all predictions of a model version, and return how many there were.

        If the name of an ML backend or this version is selected in the project, Label Studio 1.23.2 then unselects
        it, whichever version is deleted.
        """
        deleted: Any = self._of_versions("DELETE", {"model_version": version})
        return int(deleted.get("deleted_predictions") or 0)

    def _tasks(self, conditions: list[dict[str, object]], fields: Any, limit: int) -> list[Any]:
        """Return the first tasks that fulfil all conditions, sorted by id."""
        query = {"filters": {"conjunction": "and", "items": conditions}, "ordering": ["tasks:id"]}
        with self._client.request(self._project_id) as sdk:
            first_page: Any = sdk.tasks.list(
                project=self._project_id,
                fields=fields,
                query=json.dumps(query),
                page_size=limit,
                resolve_uri=False,
            )
            return list(first_page.items or [])

    def _of_versions(self, method: str, body: dict[str, str] | None = None) -> Any:
        with self._client.request(self._project_id) as sdk:
            http = sdk.projects._client_wrapper.httpx_client  # noqa: SLF001 - the SDK lacks this route
            path = f"api/projects/{self._project_id}/model-versions/"
            answer = http.request(path, method=method, json=body)
            if answer.is_error:
                raise ApiError(status_code=answer.status_code, body=answer.text)
            return answer.json()


def _condition(column: str, kind: str, operator: str, value: object) -> dict[str, object]:
    """Return a filter condition in the form of Label Studio's Data Manager."""
    return {"filter": f"filter:tasks:{column}", "type": kind, "operator": operator, "value": value}
