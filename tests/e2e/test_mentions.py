"""With the real Label Studio, a string annotated in one task is suggested in the next."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import TOKEN, Serve
from tests.e2e.spans import in_text
from tests.e2e.steps import config, only_prediction, region, training, until
from tests.e2e.studio import Project, Studio
from tests.server.service import wait

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def two_processes(serve: Serve) -> Iterator[str]:
    """Start a backend with two server processes that starts no trainings."""
    with serve(LABEL_STUDIO_API_KEY=TOKEN, WORKERS="2", START_TRAINING_EACH_N_UPDATES="0") as url:
        wait(f"{url}/ready")
        yield url


def _opened(project: Project, text: str) -> list[tuple[str, str]]:
    (task_id,) = project.add({"text": text})
    return in_text(text, only_prediction(project.open(task_id))["result"])


def test_the_first_annotation_is_suggested_in_the_next_task(studio: Studio, two_processes: str) -> None:
    project = studio.project("mentions", config("PER", "LOC", "ORG"))
    project.connect(two_processes)
    text = "Ada works for Quux Industries."
    first, second, third = project.add(
        {"text": text}, {"text": "😀 Quux Industries and Quux Industriesx"}, {"text": "Quux Industries in Lyon"}
    )
    assert in_text(text, only_prediction(project.open(first))["result"]) == [("Ada", "PER")]
    annotation = project.submit(first, [region(text, "Quux Industries", "ORG")])
    # the string has to be known immediately, because Label Studio requests each suggestion only once
    found = only_prediction(project.open(second))
    assert in_text("😀 Quux Industries and Quux Industriesx", found["result"]) == [("Quux Industries", "ORG")]
    assert found["model_version"] == project.backend()["model_version"], "no new model was trained"
    stream = project.next()
    assert stream["id"] == second
    assert in_text("Quux Industries in Lyon", only_prediction(project.open(third))["result"]) == [
        ("Quux Industries", "ORG"),
        ("Lyon", "LOC"),
    ], "the model's entities are suggested too"
    for _ in range(6):  # so that both server processes are likely to answer
        assert _opened(project, "By Quux Industries") == [("Quux Industries", "ORG")]

    path = f"/api/annotations/{annotation['id']}/"
    studio.ask("PATCH", path, {"result": [region(text, "Quux", "PER")]})
    assert _opened(project, "Quux Industries") == [("Quux", "PER")]
    studio.ask("PATCH", path, {"result": []})
    assert _opened(project, "Quux Industries") == []
    studio.ask("PATCH", path, {"result": [region(text, "Quux Industries", "ORG")]})
    assert _opened(project, "Quux Industries") == [("Quux Industries", "ORG")]
    studio.ask("DELETE", path, status=204)
    assert _opened(project, "Quux Industries") == []


def test_what_was_annotated_before_the_backend_was_connected_is_known(studio: Studio, two_processes: str) -> None:
    project = studio.project("mentions before", config("PER", "LOC", "ORG"))
    text = "Quux Industries"
    (task_id,) = project.add({"text": text})
    project.submit(task_id, [region(text, "Quux Industries", "ORG")])
    project.connect(two_processes)
    assert _opened(project, "Lyon") == [("Lyon", "LOC")]
    until(lambda: "known_mentions" in training(two_processes, project))
    assert _opened(project, "Quux Industries") == [("Quux Industries", "ORG")]
    project.action("delete_tasks", task_id)
    assert _opened(project, "Quux Industries") == []
