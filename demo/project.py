"""The demo's project in Label Studio."""

from collections.abc import Iterable
from typing import Any

from label_studio_sdk import LabelStudio
from label_studio_sdk.types.import_api_request import ImportApiRequest

from demo.news import CONFIG

TITLE = "News"
BACKEND = "Hugging Face NER"


def connect(url: str, key: str) -> LabelStudio:
    """Return a client of Label Studio's API."""
    return LabelStudio(base_url=url, api_key=key)  # type: ignore[no-untyped-call]


def set_up_project(label_studio: LabelStudio, backend: str, texts: Iterable[str]) -> int:
    """Return the id of the demo's project, with the backend connected and the texts imported.

    The project and tasks of an earlier start are used again. A backend at another address is replaced.
    """
    project = _find_project(label_studio)
    _connect_backend(label_studio, project, backend)
    if not label_studio.projects.get(id=project).task_number:
        tasks = [ImportApiRequest(data={"text": text}) for text in texts]
        label_studio.projects.import_tasks(id=project, request=tasks)
    return project


def backend_id(label_studio: LabelStudio, project: int) -> int:
    """Return the id of the backend that a project is connected to."""
    return int(label_studio.ml.list(project=project)[0].id)


def _find_project(label_studio: LabelStudio) -> int:
    """Return the id of the project; make the project if there is none."""
    projects: list[Any] = list(label_studio.projects.list())
    for project in projects:
        if project.title == TITLE:
            return int(project.id)
    created: Any = label_studio.projects.create(
        title=TITLE,
        description="Invented news texts, for the demo of Hugging Face NER",
        label_config=CONFIG,
        sampling="Uncertainty sampling",
    )
    return int(created.id)


def _connect_backend(label_studio: LabelStudio, project: int, backend: str) -> None:
    connected = label_studio.ml.list(project=project)
    others = [other for other in connected if other.url != backend]
    for other in others:
        label_studio.ml.delete(id=other.id)
    # otherwise Label Studio would still send annotations to the backends that were replaced
    for webhook in label_studio.webhooks.list(project=project) if others else []:
        if webhook.url in [f"{other.url}/webhook" for other in others]:
            label_studio.webhooks.delete(id=webhook.id)
    if len(others) == len(connected):
        label_studio.ml.create(project=project, url=backend, title=BACKEND)
