"""Label Studio 1.23.2 stores the right results, in each of the ways in which it uses the backend."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.jobs.old_predictions import Deletion, delete_old_predictions
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.label_studio.stored_predictions import StoredPredictions
from huggingface_ner.server.webhook_credentials import ARRIVED, GIVEN
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests.e2e.conftest import EACH_N_UPDATES, TOKEN, Serve
from tests.e2e.samples import DIALOGUE, FOUND, FOUND_IN_DIALOGUE, FOUND_IN_HTML, HTML, LABELS, TEXT
from tests.e2e.spans import in_hypertext, in_paragraphs, in_text
from tests.e2e.steps import (
    LESSON,
    LESSON_LEARNED,
    config,
    only_prediction,
    published,
    region,
    teach,
    training,
    until,
)
from tests.e2e.studio import Project, Studio
from tests.server.service import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
def project(studio: Studio, backend: str, request: pytest.FixtureRequest) -> Project:
    """Return a project with the labels PER and LOC that is connected to the backend."""
    project = studio.project(request.node.name[:50], config(*LABELS))
    project.connect(backend)
    return project


def test_strict_validation_is_on(project: Project) -> None:
    (task_id,) = project.add({"text": TEXT})
    wrong = {**region(TEXT, "Lyon", "CITY"), "id": "a"}
    body = {"task": task_id, "result": [wrong], "score": 0.5, "model_version": "by hand"}
    answer = project.studio.ask("POST", "/api/predictions/", body, status=400)
    assert "CITY" in json.dumps(answer)


def test_connecting_shows_the_model_and_registers_one_webhook(studio: Studio, backend: str) -> None:
    project = studio.project("connecting", config(*LABELS))
    answer = project.connect(backend)
    assert (answer["state"], answer["url"]) == ("CO", backend)
    with requests.get(f"{backend}/health", timeout=10) as health:
        assert answer["model_version"] == health.json()["model_version"]
    assert [webhook["url"] for webhook in project.webhooks()] == [f"{backend}/webhook"]


def test_opening_a_task_stores_one_prediction_on_the_right_characters(project: Project) -> None:
    with_entities, without, empty = project.add({"text": TEXT}, {"text": "Nobody, nowhere."}, {"text": ""})
    for _ in range(2):  # the second time, the prediction is already stored
        prediction = only_prediction(project.open(with_entities))
        assert in_text(TEXT, prediction["result"]) == FOUND
        assert prediction["model_version"] == project.backend()["model_version"]
        assert only_prediction(project.open(without))["result"] == []
        assert only_prediction(project.open(empty))["result"] == []


def test_the_label_stream_shows_predictions_and_asks_once_for_each_task(project: Project) -> None:
    texts = {task_id: text for text in ("Ada flew", "to Lyon") for task_id in project.add({"text": text})}
    seen = {}
    for _ in texts:
        task = project.next()
        again = project.next()
        assert again["id"] == task["id"]
        assert len(again["predictions"]) == 1
        prediction = only_prediction(task)
        seen[task["id"]] = in_text(texts[task["id"]], prediction["result"])
        project.submit(task["id"], prediction["result"], parent_prediction=prediction["id"])
    assert sorted(seen.values()) == [[("Ada", "PER")], [("Lyon", "LOC")]]
    assert {task_id: len(stored) for task_id, stored in project.predictions().items()} == dict.fromkeys(texts, 1)


def test_retrieve_predictions_gives_each_of_300_tasks_its_own(project: Project) -> None:
    cities = ("Zürich", "São Paulo", "Lyon")
    texts = [f"{'😀 ' * (number % 5)}{number} flew to {cities[number % 3]}" for number in range(300)]
    ids = project.add(*({"text": text} for text in texts))
    assert project.action("retrieve_tasks_predictions")["processed_items"] == 300
    stored = project.predictions()
    for number, (task_id, text) in enumerate(zip(ids, texts, strict=True)):
        (prediction,) = stored[task_id]
        assert in_text(text, prediction["result"]) == [(cities[number % 3], "LOC")]


def test_interactive_answers_with_the_same_strings_and_stores_nothing(studio: Studio, backend: str) -> None:
    project = studio.project("interactive", config(*LABELS))
    project.connect(backend, is_interactive=True)
    (task_id,) = project.add({"text": TEXT})
    path = f"/api/ml/{project.backend_id}/interactive-annotating"
    drawn = {"result": [{**region(TEXT, "Lyon", "LOC"), "id": "drawn"}]}
    for context, found in ((None, FOUND), (drawn, [("Lyon", "LOC")]), (drawn, [])):
        answer = studio.ask("POST", path, {"task": task_id, "context": context})
        assert in_text(TEXT, answer["data"]["result"]) == found
    assert project.predictions() == {}


def test_what_annotators_do_is_stored_and_counted(project: Project, backend: str) -> None:
    def updates() -> int:
        return int(training(backend, project)["updates"])

    first, second, third, *more = project.add(*({"text": text} for text in (TEXT, "Ada", "Lyon", "Ada", "Lyon")))
    accepted = only_prediction(project.open(first))
    annotation = project.submit(first, accepted["result"], parent_prediction=accepted["id"])
    (stored,) = project.annotations(first)
    assert stored["result"] == accepted["result"]
    assert stored["parent_prediction"] == accepted["id"]
    assert updates() == 1

    path = f"/api/annotations/{annotation['id']}/"
    project.studio.ask("PATCH", path, {"result": accepted["result"][:1]})
    assert in_text(TEXT, project.annotations(first)[0]["result"]) == FOUND[:1]
    assert updates() == 2

    project.submit(second, [], was_cancelled=True)
    assert [one["was_cancelled"] for one in project.open(second)["annotations"]] == [True]
    project.submit(third, [])
    assert [one["result"] for one in project.annotations(third)] == [[]]
    assert updates() == 4

    project.action("retrieve_tasks_predictions", *more)
    project.action("predictions_to_annotations", *more)
    assert [in_text("Ada", one["result"]) for one in project.annotations(more[0])] == [[("Ada", "PER")]]
    assert [in_text("Lyon", one["result"]) for one in project.annotations(more[1])] == [[("Lyon", "LOC")]]
    assert updates() == 6

    project.studio.ask("DELETE", path, status=204)
    assert project.annotations(first) == []
    assert updates() == 7
    project.action("delete_tasks_annotations", *more)
    assert [project.annotations(task_id) for task_id in more] == [[], []]
    assert updates() == 9
    assert training(backend, project)["state"] == "idle", "there are too few annotations for a training"


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """Serve a folder's files; yield the address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_texts_behind_urls_are_fetched_from_label_studio_and_from_allowed_hosts(
    studio: Studio, backend: str, tmp_path: Path
) -> None:
    project = studio.project("urls", config(*LABELS, text='<Text name="text" value="$url" valueType="url"/>'))
    project.connect(backend)
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    with files(tmp_path) as address:
        uploaded = project.upload("text.txt", TEXT.encode())
        assert uploaded.startswith("/data/upload/")
        urls = (uploaded, f"{studio.server.url}{uploaded}", f"{address}/text.txt", f"{address}/none.txt")
        *there, missing = project.add(*({"url": url} for url in urls))
        for task_id in there:
            assert in_text(TEXT, only_prediction(project.open(task_id))["result"]) == FOUND
        assert only_prediction(project.open(missing))["result"] == []


def predicted(project: Project, backend: str, data: dict[str, Any]) -> list[Any]:
    """Connect a project, add a task, and return the regions that the task shows when it is opened."""
    project.connect(backend)
    (task_id,) = project.add(data)
    return list(only_prediction(project.open(task_id))["result"])


def test_hypertext_regions_are_on_the_right_characters(studio: Studio, backend: str) -> None:
    # the model's PER is suggested as its synonym Person; City is saved under its alias LOC
    labels = '<Label value="Person"/><Label value="City" alias="LOC"/>'
    hypertext = (
        f'<View><HyperTextLabels name="label" toName="text">{labels}</HyperTextLabels>'
        '<HyperText name="text" value="$html"/></View>'
    )
    found = in_hypertext(HTML, predicted(studio.project("hypertext", hypertext), backend, {"html": HTML}))
    assert found == [(characters, {"PER": "Person"}.get(label, label)) for characters, label in FOUND_IN_HTML]


def test_paragraph_regions_are_on_the_right_characters(studio: Studio, backend: str) -> None:
    labels = "".join(f'<Label value="{label}"/>' for label in LABELS)
    paragraphs = (
        f'<View><ParagraphLabels name="label" toName="text">{labels}</ParagraphLabels>'
        '<Paragraphs name="text" value="$dialogue" layout="dialogue"/></View>'
    )
    project = studio.project("paragraphs", paragraphs)
    found = in_paragraphs(DIALOGUE, predicted(project, backend, {"dialogue": DIALOGUE}))
    assert found == [pair for utterance in FOUND_IN_DIALOGUE for pair in utterance]


@pytest.fixture(scope="module")
def taught(studio: Studio, backend: str) -> tuple[Project, int, str, Any]:
    """Return a project whose annotations have started a training.

    Also return a task that was predicted before the training, the version that predicted it, and the training's
    outcome. Another task is neither predicted nor annotated.
    """
    project = studio.project("taught", config(*LABELS))
    before = project.connect(backend)["model_version"]
    task_id, _ = project.add({"text": LESSON}, {"text": LESSON})
    assert in_text(LESSON, only_prediction(project.open(task_id))["result"]) == [("Zürich", "LOC")]
    (skipped,) = project.add({"text": "Ada to Lyon"})
    project.submit(skipped, [region("Ada to Lyon", "to", "PER")], was_cancelled=True)
    teach(project, EACH_N_UPDATES - 2)
    assert "last" not in training(backend, project)
    assert training(backend, project)["updates_until_training"] == 1
    teach(project, 1)
    return project, task_id, before, published(backend, project, before)


def test_annotations_train_a_model_whose_predictions_join_those_of_the_baseline(
    taught: tuple[Project, int, str, Any],
) -> None:
    project, task_id, before, ending = taught
    assert (ending["f1"], ending["f1_before"] < 1.0) == (1.0, True)
    reason = re.fullmatch(r"trained on (\d+) tasks, scored on (\d+)", ending["reason"])
    assert reason is not None
    assert int(reason[1]) + int(reason[2]) == EACH_N_UPDATES - 1, "all tasks count except the skipped one"
    until(lambda: len(project.predictions()[task_id]) == 2)
    assert list(project.predictions()) == [task_id], "by default, only tasks with predictions get new ones"
    (new_task,) = project.add({"text": LESSON})
    prediction = only_prediction(project.open(new_task))
    assert in_text(LESSON, prediction["result"]) == LESSON_LEARNED
    assert prediction["model_version"] == ending["version"]
    stored = {one["model_version"]: in_text(LESSON, one["result"]) for one in project.predictions()[task_id]}
    assert stored == {before: [("Zürich", "LOC")], ending["version"]: LESSON_LEARNED}


def test_another_project_on_the_same_backend_keeps_its_own_model(
    taught: tuple[Project, int, str, Any], project: Project, backend: str
) -> None:
    _, _, before, ending = taught
    (task_id,) = project.add({"text": LESSON})
    prediction = only_prediction(project.open(task_id))
    assert prediction["model_version"] == before != ending["version"]
    assert in_text(LESSON, prediction["result"]) == [("Zürich", "LOC")]
    project.submit(task_id, prediction["result"])
    assert training(backend, project)["updates"] == 1
    assert training(backend, taught[0])["updates"] >= EACH_N_UPDATES


def test_a_label_that_is_added_to_the_config_is_learned(
    taught: tuple[Project, int, str, Any], backend: str
) -> None:
    project, _, _, _ = taught
    before = project.backend()["model_version"]
    path = f"/api/projects/{project.id}/"
    project.studio.ask("PATCH", path, {"label_config": config(*LABELS, "ORG")})
    ending = published(backend, project, before)
    assert ending["status"] == "published"
    teach(project, EACH_N_UPDATES, "ORG")
    published(backend, project, ending["version"])
    (task_id,) = project.add({"text": LESSON})
    found = in_text(LESSON, only_prediction(project.open(task_id))["result"])
    assert found == [*LESSON_LEARNED, ("Acme", "ORG")]


USER, PASSWORD = "label", "p:a/@ßword"


@pytest.fixture(scope="module")
def closed_backend(studio: Studio, serve: Serve) -> Iterator[str]:
    """Start a backend that asks for credentials and has a personal access token."""
    key = studio.personal_access_token()
    credentials = {"BASIC_AUTH_USER": USER, "BASIC_AUTH_PASS": PASSWORD}
    with serve(LABEL_STUDIO_API_KEY=key, **credentials) as url:
        until(lambda: requests.get(f"{url}/ready", auth=(USER, PASSWORD), timeout=10).ok)
        yield url


def test_basic_auth_lets_the_right_credentials_in_and_tells_of_wrong_ones(
    studio: Studio, closed_backend: str
) -> None:
    project = studio.project("basic auth", config(*LABELS))
    wrong = {"basic_auth_user": USER, "basic_auth_pass": "wrong"}
    for credentials in ({}, {"auth_method": "BASIC_AUTH", **wrong}):
        answer = project.connect(closed_backend, 400, **credentials)
        assert "authentication parameters" in json.dumps(answer)
    right = {"basic_auth_user": USER, "basic_auth_pass": PASSWORD}
    project.connect(closed_backend, auth_method="BASIC_AUTH", **right)
    assert project.backend()["state"] == "CO"
    (task_id,) = project.add({"text": TEXT})
    assert in_text(TEXT, only_prediction(project.open(task_id))["result"]) == FOUND


def test_with_basic_auth_label_studios_webhook_is_given_the_credentials(
    studio: Studio, closed_backend: str
) -> None:
    project = studio.project("webhook", config(*LABELS))
    right = {"basic_auth_user": USER, "basic_auth_pass": PASSWORD}
    project.connect(closed_backend, auth_method="BASIC_AUTH", **right)
    auth = (USER, PASSWORD)
    until(partial(_has_given, closed_backend, project, auth))
    (webhook,) = project.webhooks()
    assert list(webhook["headers"]) == ["Authorization"]
    teach(project, 3)
    status = training(closed_backend, project, auth)
    assert (status["updates"], status["webhook"]) == (3, ARRIVED)


def _has_given(url: str, project: Project, auth: tuple[str, str]) -> bool:
    return bool(training(url, project, auth).get("webhook") == GIVEN)


def test_the_webhook_is_given_other_credentials_after_a_restart_with_them(
    studio: Studio, serve: Serve, tmp_path: Path
) -> None:
    project = studio.project("other credentials", config(*LABELS))
    settings = {"PORT": str(free_port()), "MODEL_DIR": str(tmp_path), "LABEL_STUDIO_API_KEY": TOKEN}
    events = 0
    for password in ("first", "second"):
        with serve(BASIC_AUTH_USER=USER, BASIC_AUTH_PASS=password, **settings) as url:
            credentials = {"auth_method": "BASIC_AUTH", "basic_auth_user": USER, "basic_auth_pass": password}
            if project.backend_id:
                body = {"project": project.id, "url": url, **credentials}
                studio.ask("PATCH", f"/api/ml/{project.backend_id}", body)
            else:
                project.connect(url, **credentials)
            auth = (USER, password)
            until(partial(_has_given, url, project, auth))
            teach(project, 2)
            events += 2
            status = training(url, project, auth)
            assert (status["updates"], status["webhook"]) == (events, ARRIVED)


def test_suggestions_refresh_themselves_and_the_least_certain_task_is_offered(
    studio: Studio, serve: Serve
) -> None:
    settings = {"PREDICT_AFTER_TRAINING": "true", "UPDATE_PROJECT_MODEL_VERSION": "true"}
    with serve(LABEL_STUDIO_API_KEY=TOKEN, **settings) as url:
        project = studio.project("suggestions", config(*LABELS))
        path = f"/api/projects/{project.id}/"
        studio.ask("PATCH", path, {"sampling": "Uncertainty sampling"})
        before = project.connect(url)["model_version"]
        words = ("Lyon", "Grace", "unheard of", "Acme", "Ada Lovelace in Zürich", "to Hopper", "São Paulo")
        texts = [f"{word} {number} 😀" for number, word in enumerate(words * 20)]
        waiting = project.add(*({"text": text} for text in texts))
        teach(project, 8)
        studio.ask("POST", f"/api/ml/{project.backend_id}/train", {})
        version = published(url, project, before)["version"]
        until(lambda: training(url, project).get("suggestions", {}).get("state") == "complete")
        stored = project.predictions()
        assert sorted(stored) == waiting, "exactly the tasks without annotations have predictions"
        assert {one["model_version"] for (one,) in stored.values()} == {version}
        assert studio.ask("GET", path)["model_version"] == version
        assert project.next()["id"] in least_certain(stored)

        (added,) = project.add({"text": LESSON})
        until(lambda: added in project.predictions())
        (prediction,) = project.predictions()[added]
        assert in_text(LESSON, prediction["result"]) == LESSON_LEARNED


def test_old_predictions_are_deleted_and_what_the_project_shows_stays_selected(
    project: Project, studio: Studio, backend: str, redis_url: str, tmp_path: Path
) -> None:
    """When Label Studio deletes a version's predictions, it unselects the backend; the deletion selects it again.

    An unselected backend would get no further requests for predictions.
    """
    settings = Settings.model_validate(
        {"model_dir": tmp_path, "label_studio_host": studio.server.url, "label_studio_api_key": TOKEN}
    )
    store = project_store(settings.models_folder, project.id, keep=2)
    names = [store.publish(lambda folder: None, {"tasks": tasks}).name for tasks in range(1, 4)]
    task, other = project.add({"text": TEXT}, {"text": TEXT})
    for version in (*names, "spacy", PACKAGED_ENCODER):
        body = [{"task": task, "result": [], "score": 0.5, "model_version": version}]
        studio.ask("POST", f"/api/projects/{project.id}/import/predictions", body, status=201)
    client, notes = LabelStudioClient(settings), TrainingQueue(connect(redis_url, timeout=5), settings).notes
    path = f"/api/projects/{project.id}/"
    http = client._sdk._client_wrapper.httpx_client.httpx_client  # noqa: SLF001 - Label Studio keeps it open
    with closing(http):
        assert studio.ask("GET", path)["model_version"] == "backend"
        stored = StoredPredictions(client, project.id)
        stored.store([other], [{"result": [], "score": 0.5}], "single")
        (single,) = stored.ids("single")
        for _ in range(2):  # the second time, Label Studio answers 404
            stored.delete(single)
        with pytest.raises(ClientError, match="were tasks deleted"):
            stored.store([other, 999_999], [{"result": [], "score": 0.5}] * 2, "single")
        assert "single" not in stored.versions()
        assert studio.ask("GET", path)["model_version"] == "backend"
        assert stored.delete_version(PACKAGED_ENCODER) == 1
        assert not studio.ask("GET", path)["model_version"], "Label Studio has unselected the backend"
        client.select_version(project.id, "backend")
        assert delete_old_predictions(project.id, store, client, notes) == Deletion(1, True)
    assert {one["model_version"] for one in project.predictions()[task]} == {*names[1:], "spacy"}
    assert studio.ask("GET", path)["model_version"] == "backend"
    for _ in range(2):
        project.submit(project.next()["id"], [])
    assert other in project.predictions(), "the label stream still requests predictions"


def least_certain(stored: dict[int, list[Any]]) -> list[int]:
    """Return the tasks with the lowest score."""
    scores = {task_id: prediction["score"] for task_id, (prediction,) in stored.items()}
    assert min(scores.values()) < max(scores.values())
    return [task_id for task_id, score in scores.items() if score == min(scores.values())]


def test_the_start_training_button_trains_with_credentials_in_the_url_and_a_personal_access_token(
    studio: Studio, closed_backend: str
) -> None:
    project = studio.project("button", config(*LABELS))
    before = project.connect(closed_backend.replace("://", f"://{USER}:{quote(PASSWORD, safe='')}@"))[
        "model_version"
    ]
    teach(project, 8)
    auth = (USER, PASSWORD)
    assert training(closed_backend, project, auth)["updates"] == 8, "the webhook sends the credentials"
    studio.ask("POST", f"/api/ml/{project.backend_id}/train", {})
    ending = published(closed_backend, project, before, auth)
    assert ending["reason"].startswith("trained on 8 tasks")
    (task_id,) = project.add({"text": LESSON})
    assert in_text(LESSON, only_prediction(project.open(task_id))["result"]) == LESSON_LEARNED


def test_a_personal_access_token_fetches_texts_that_were_uploaded(studio: Studio, closed_backend: str) -> None:
    project = studio.project("uploads", config(*LABELS, text='<Text name="text" value="$url" valueType="url"/>'))
    right = {"basic_auth_user": USER, "basic_auth_pass": PASSWORD}
    project.connect(closed_backend, auth_method="BASIC_AUTH", **right)
    (task_id,) = project.add({"url": project.upload("text.txt", TEXT.encode())})
    assert in_text(TEXT, only_prediction(project.open(task_id))["result"]) == FOUND
