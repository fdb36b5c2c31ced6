"""Steps that many tests take with a project and its backend."""

import time
from collections.abc import Callable
from typing import Any

import requests

from tests.e2e.studio import Project

TRAIN_TIMEOUT = 120.0

LESSON = "😀 Grace Hopper flew to Zürich for Acme {}"
LESSON_LEARNED = [("Grace Hopper", "PER"), ("Zürich", "LOC")]


def config(*labels: str, text: str = '<Text name="text" value="$text"/>') -> str:
    inner = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<View><Labels name="label" toName="text">{inner}</Labels>{text}</View>'


def only_prediction(task: Any) -> Any:
    """Return the only prediction of a task, after checks that apply to every prediction."""
    (prediction,) = task["predictions"]
    assert 0.0 <= prediction["score"] <= 1.0
    assert all(0.0 <= region["score"] <= 1.0 for region in prediction["result"])
    assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
    return prediction


def teach(project: Project, count: int, *organizations: str) -> None:
    """Annotate tasks with names that the baseline does not know."""
    texts = [LESSON.format(number) for number in range(count)]
    for task_id, text in zip(project.add(*({"text": text} for text in texts)), texts, strict=True):
        regions = [region(text, *found) for found in LESSON_LEARNED]
        project.submit(task_id, regions + [region(text, "Acme", label) for label in organizations])


def training(url: str, project: Project, auth: tuple[str, str] | None = None) -> Any:
    with requests.get(f"{url}/training?project={project.id}", auth=auth, timeout=10) as answer:
        assert answer.status_code == 200
        return answer.json()


def published(url: str, project: Project, before: str, auth: tuple[str, str] | None = None) -> Any:
    """Wait until a training has published a version that Label Studio shows; return the training's outcome."""
    end = time.monotonic() + TRAIN_TIMEOUT
    while project.backend()["model_version"] == before:
        status = training(url, project, auth)
        assert time.monotonic() < end, status
        assert status["state"] != "parked", status
        time.sleep(0.5)
    while "last" not in (status := training(url, project, auth)):
        assert time.monotonic() < end, status
        time.sleep(0.2)
    assert status["last"]["status"] == "published", status
    assert project.backend()["model_version"] == status["last"]["version"]
    return status["last"]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TRAIN_TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.3)


def region(text: str, characters: str, label: str) -> dict[str, Any]:
    """Return a region in the form in which the page saves a region that a person drew."""
    start = text.index(characters)
    value = {"start": start, "end": start + len(characters), "text": characters, "labels": [label]}
    return {"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual", "value": value}
