"""The pages over HTTP, without a browser: who gets which page, and what it contains."""

import json
import re

import lxml.html
import pytest
from flask.testing import FlaskClient

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.contacts import Contact
from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.learning.progress import RunProgress
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.server.app import create_app
from huggingface_ner.server.pages import mistakes
from huggingface_ner.server.pages.routes import POLICY
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.history import HISTORY, SuggestionCounts
from huggingface_ner.store.metrics_file import METRICS
from huggingface_ner.store.mistakes_file import MISTAKES, write_mistakes
from huggingface_ner.store.versions import project_store
from tests import recorded
from tests.server.pages.projects import end_training, make_hostile, publish, publish_curve
from tests.server.round_trips import RoundTrips

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


def _page(client: FlaskClient, path: str, status: int = 200) -> lxml.html.HtmlElement:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "text/html"
    return lxml.html.document_fromstring(answer.get_data(as_text=True))


def _text(page: lxml.html.HtmlElement, selector: str = "//main") -> str:
    return " ".join(" ".join(part.text_content() for part in page.xpath(selector)).split())


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/html;q=0.9", "text/plain"]
)
def test_programs_get_json_from_the_root(client: FlaskClient, accept: str | None) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.get_json() == client.get("/health").get_json()
    assert "Accept" in answer.vary


def test_label_studios_probe_and_health_get_json(client: FlaskClient) -> None:
    headers = recorded("health")["request"]["headers"]
    assert client.get("/", headers={"Accept": headers["Accept"]}).get_json()["status"] == "UP"
    assert client.get("/health", headers=BROWSER).get_json()["status"] == "UP", "health is never a page"


def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inside(
    client: FlaskClient, settings: Settings
) -> None:
    publish_curve(settings)
    for path in ("/", "/projects/7"):
        answer = client.get(path, headers=BROWSER)
        policy = answer.headers["Content-Security-Policy"]
        assert policy == POLICY
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = lxml.html.document_fromstring(answer.get_data(as_text=True))
        assert page.xpath("//script[not(@src)] | //style | //@style | //@*[starts-with(name(), 'on')]") == []
        for address in page.xpath("//script/@src | //link/@href | //img/@src"):
            assert not re.match(r"\w+:|/", address), (
                "the page loads only our own files, by relative paths because of proxies"
            )
            assert client.get(f"/{address.removeprefix('../')}").status_code == 200
    assert client.get("/assets/../routes.py").status_code == 404
    assert client.get("/assets/nothing.css").status_code == 404


def test_an_asset_is_sent_again_only_if_it_has_changed(client: FlaskClient) -> None:
    answer = client.get("/assets/page.css")
    assert answer.mimetype == "text/css"
    again = client.get("/assets/page.css", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_all_projects_are_listed_with_their_names_and_links(
    client: FlaskClient, settings: Settings, queue: TrainingQueue
) -> None:
    assert "No project is connected yet" in _text(_page(client, "/"))
    publish_curve(settings)
    queue.notes.note_setup(9, "http://labels.example/studio")
    queue.notes.note_event(9, "Contracts")
    page = _page(client, "/")
    assert page.xpath("//tbody//th//a/bdi/text()") == ["Project 7", "Contracts"]
    assert page.xpath("//tbody//th//a/@href") == ["projects/7", "projects/9"]
    assert page.xpath("//tr[@id='project-9']//@href")[-1] == "http://labels.example/studio/projects/9/data"
    assert page.xpath("//tr[@id='project-7']//@href")[-1] == f"{settings.label_studio_host}/projects/7/data"
    assert "no model yet" in _text(page, "//tr[@id='project-9']")
    assert "0.7" in _text(page, "//tr[@id='project-7']")


def test_a_project_shows_what_its_versions_are(client: FlaskClient, settings: Settings) -> None:
    names = publish_curve(settings)
    page = _page(client, "/projects/7")
    facts = client.get("/projects/7").get_json()
    scores = facts["scores"]
    figure = _text(page, "//*[@class='figure']")
    assert figure == f"F1 {scores['f1']:.2f}F1"
    low, high = scores["f1_interval"]
    told = f"F1 is between {low:.2f} and {high:.2f}. It was measured on {scores['gold']} spans in 24 texts"
    assert told in _text(page)
    for label, told in facts["labels"].items():
        row = _text(page, f"//section[@aria-labelledby='labels-title']//tr[th/bdi='{label}']")
        assert f"{told['f1']:.2f}" in row
        assert row.endswith(f"{told['gold']} {told['annotated']}")
    assert facts["rare"] == ["Person"]
    assert "too few to be learned well" in _text(page)
    assert [row["version"] for row in facts["versions"]] == names[: -settings.keep_versions - 1 : -1]
    assert page.xpath("//table[contains(@class, 'versions')]//code/text()") == [
        row["version"] for row in facts["versions"]
    ]
    assert len(page.xpath("//table[contains(@class, 'versions')]//*[text()='in use']")) == 1


def test_mistakes_open_their_tasks(client: FlaskClient, settings: Settings) -> None:
    publish_curve(settings)
    page = _page(client, "/projects/7")
    facts = client.get("/projects/7").get_json()
    kinds = [(kind["gold"], kind["predicted"]) for kind in facts["mistakes"]]
    assert {("Person", ""), ("", "Person"), ("Person", "Person"), ("Person", "Ort")} <= set(kinds)
    links = page.xpath("//ul[@class='examples']//a/@href")
    assert f"{settings.label_studio_host}/projects/7/data?task=100" in links
    example = page.xpath("//details[contains(summary, 'Person missed')]//mark/text()")
    assert example[0] == "Kovács"
    (matrix,) = page.xpath("//table[@class='matrix']")
    labels = matrix.xpath(".//thead//bdi/text()")
    for row in matrix.xpath(".//tbody/tr[th/bdi]"):
        label = row.xpath("string(th)")
        cells = [cell.text_content() for cell in row.xpath("td")]
        scored = facts["labels"][label]
        assert sum(int(cell) for cell in cells if cell != "·") == scored["gold"]
        assert int(cells[labels.index(label)]) == round(scored["recall"] * scored["gold"])


def test_the_curve_has_all_versions_also_as_a_table(client: FlaskClient, settings: Settings) -> None:
    publish_curve(settings)
    page = _page(client, "/projects/7")
    assert len(page.xpath("//*[contains(@class, 'curve') and contains(@class, 'wide')]//*[@class='mark']")) == 8
    rows = page.xpath("//details[@id='curve-table']//tbody/tr")
    facts = client.get("/projects/7").get_json()
    assert [(int(row[1].text), row[2].text) for row in rows] == [
        (at["tasks"], f"{at['f1']:.2f}") for at in facts["curve"]
    ]
    assert len(rows) == 8
    assert "more tasks should bring F1 to" in _text(page, "//section[@aria-labelledby='curve-title']")


def test_the_share_of_the_suggestions_that_were_accepted_is_beside_f1(
    client: FlaskClient, settings: Settings
) -> None:
    *_, before, current = publish_curve(settings)
    store = project_store(settings.models_folder, 7)
    store.note_suggestions({before: SuggestionCounts(tasks=41, exact=292, to_mend=60, to_delete=60, missing=33)})
    page = _page(client, "/projects/7")
    name = f"version {before.partition('-')[0]} of 22 Nov 2026, 03:12 UTC"
    told = f"Of 412 suggestions of {name}, 71 % were accepted unchanged (66 to 75 %"
    assert told in _text(page, "//section[@aria-labelledby='f1-title']")
    store.note_suggestions({current: SuggestionCounts(tasks=1, exact=1, to_mend=1, to_delete=0, missing=0)})
    page, facts = _page(client, "/projects/7"), client.get("/projects/7").get_json()
    assert "Of 2 suggestions of this version, 50 % were" in _text(page, "//section[@aria-labelledby='f1-title']")
    assert facts["accepted"].endswith(
        "in 1 task annotated after it was published. "
        "Annotators changed 1 and deleted 0 of them, and added 0 spans."
    )
    shares = {one["version"]: one["share"] for one in facts["suggestions"]}
    assert shares == {before: 292 / 412, current: 0.5}
    assert facts["suggestions"][0]["changed"] == 60
    assert len(page.xpath("//*[contains(@class, 'wide')]//*[@class='mark accepted']")) == 2
    rows = page.xpath("//details[@id='curve-table']//tbody/tr")
    assert [row[6].text for row in rows][-2:] == ["71\u00a0%", "50\u00a0%"]
    assert [row[6].text for row in rows][:-2] == ["–"] * 6
    assert page.xpath("//td[@data-name='Accepted']/text()")[:3] == ["50\u00a0%", "71\u00a0%", "–"]


def test_suggestions_are_shown_before_there_are_any_scores(client: FlaskClient, settings: Settings) -> None:
    store = project_store(settings.models_folder, 7)
    name = store.publish(lambda folder: None, {"tasks": 10, "held_out": 0}).name
    store.note_suggestions({name: SuggestionCounts(tasks=3, exact=2, to_mend=1, to_delete=1, missing=0)})
    page = _page(client, "/projects/7")
    assert "Of 4 suggestions of this version, 50 % were accepted unchanged" in _text(page)
    assert "Not scored yet" in _text(page)
    assert len(page.xpath("//details[@id='curve-table']//tbody/tr")) == 1


def test_a_project_with_few_tasks_gets_no_forecast(client: FlaskClient, settings: Settings) -> None:
    store = project_store(settings.models_folder, 7)
    publish(store, 0, 20, 0.4)
    publish(store, 1, 30, 0.5)
    shown = _text(_page(client, "/projects/7"), "//section[@aria-labelledby='curve-title']")
    facts = client.get("/projects/7").get_json()
    assert (facts["expected"], facts["forecast"]) == (None, "")
    assert facts["no_forecast"] == "A forecast needs at least 50 annotated tasks."
    assert facts["no_forecast"] in shown
    assert "more tasks" not in shown


def test_the_page_says_what_is_happening(client: FlaskClient, queue: TrainingQueue, settings: Settings) -> None:
    def now() -> str:
        return _text(_page(client, "/projects/7"), "//section[@aria-labelledby='now-title']")

    queue.notes.note_setup(7, "http://labels.example")
    assert "No training is running" in now()
    assert "The next training starts after 10 more annotations." in now()
    assert "no event has arrived yet" in now()
    queue.count_updates(7, 3)
    queue.notes.note_event(7, "News")
    queue.notes.note_contact(Contact(7, title="News"))
    assert "after 7 more annotations" in now()
    assert "annotation events arrive (just now)" in now()
    assert "answered (just now)" in now()
    queue.request_training(7)
    assert "A training starts in a few seconds" in now()
    run = queue.begin(7)
    assert run is not None
    queue.report(run, RunProgress("training", 50, 200, 1.0, 170.0))
    assert "Training: learning" in now()
    assert "Step 50 of 200; about 3 minutes left of the learning" in now()
    page = _page(client, "/projects/7")
    assert page.xpath("//progress/@value") == ["25.0"]
    queue.report(run, RunProgress("saving"))
    assert _page(client, "/projects/7").xpath("//progress/@value") == [], (
        "no percentage is shown while it is not known"
    )
    queue.release(run)
    end_training(queue, left_out={"regions_seen": 9, "regions": {"inside": {"Ort": 2}}})
    assert "The last training published a new version, just now: trained on 96 tasks." in now()
    assert "2 Ort lie inside" in _text(_page(client, "/projects/7"))
    counts = UnknownTokens("<b>an encoder</b>", 100, 31)
    end_training(queue, unknown_tokens=counts.as_dict())
    assert f"Baseline{counts.warning()}" in now()
    told = client.get("/projects/7").get_json()
    assert {"name": "Baseline", "state": "bad", "text": counts.warning()} in told["conditions"]
    assert client.get("/training").get_json()["projects"][0]["last"]["unknown_tokens"] == counts.as_dict()
    end_training(queue, status="failed", reason="LABEL_STUDIO_API_KEY is not set")
    assert "Trainings are stopped until the next annotation" in now()
    assert "LABEL_STUDIO_API_KEY is not set" in now()


def test_a_project_that_is_not_known_is_not_found(client: FlaskClient) -> None:
    assert "Nothing is known about this project yet" in _text(_page(client, "/projects/5", 404))
    answer = client.get("/projects/5")
    assert answer.status_code == 404
    assert answer.get_json()["error"].startswith("project 5")
    assert client.get("/projects/x", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("queue_is", ["missing", "away"])
def test_without_a_queue_the_models_are_shown(queue_is: str, settings: Settings) -> None:
    publish_curve(settings)
    queue = None if queue_is == "missing" else TrainingQueue(connect("redis://127.0.0.1:1/0"), settings)
    client = create_app(settings, ServedModels(settings), queue).test_client()
    for path in ("/", "/projects/7"):
        shown = _text(_page(client, path))
        assert "training queue" in shown
        assert "The state of its trainings is not known" in shown
    assert "What it gets wrong" in _text(_page(client, "/projects/7"))
    assert "cannot be said now" in _text(_page(client, "/projects/8", 503)), "it may be known to Redis only"
    answer = client.get("/projects/8")
    assert answer.status_code == 503
    assert "training queue" in answer.get_json()["error"]


@pytest.mark.parametrize("name", [METRICS, MISTAKES, HISTORY])
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]"),
        b'{"kinds": 3, "labels": 4, "gold": "x", "correct": [], "label_names": 5, "engine": 6}',
        b'{"kinds": [3, {"examples": 4}, {"examples": [5, {}]}], "labels": {"PER": 3}, "correct": -1}',
        b'{"correct": -1, "predicted": true, "gold": 1e999}',
        b'{"correct": 1, "predicted": 1, "gold": 1%s, "tasks": 1%s}' % (b"0" * 400, b"0" * 400),
        b'[{"version": "20261122-101200-cd62", "tasks": 1%s}]' % (b"0" * 400),
    ],
)
def test_damaged_files_do_not_break_the_pages(
    name: str, content: bytes, client: FlaskClient, settings: Settings
) -> None:
    version = publish_curve(settings)[-1]
    folder = settings.models_folder / "7"
    (folder / name if name == HISTORY else folder / version / name).write_bytes(content)
    _page(client, "/")
    assert "Versions" in _text(_page(client, "/projects/7"))
    assert client.get("/projects/7").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_mistakes_of_rarer_kinds_are_counted(client: FlaskClient, settings: Settings) -> None:
    version = project_store(settings.models_folder, 7).publish(lambda folder: None, {})
    kind = {"gold": "PER", "predicted": "", "count": 2, "examples": []}
    write_mistakes(version.folder, {"kinds": [kind], "more": 30})
    assert client.get("/projects/7").get_json()["more_mistakes"] == 30
    page = _text(_page(client, "/projects/7"))
    assert "And 30 mistakes of rarer kinds." in page
    assert "And 2 more mistakes of this kind." in page
    assert "in the table" not in page


def test_labels_that_are_not_in_the_table_of_mistakes_are_counted(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_curve(settings)
    for most, told in (
        (2, "1 label with fewer mistakes is not"),
        (1, "2 labels with fewer mistakes are not in"),
    ):
        monkeypatch.setattr(mistakes, "MAX_TABLE_LABELS", most)
        assert told in _text(_page(client, "/projects/7"))


def test_long_labels_are_shortened(client: FlaskClient, settings: Settings) -> None:
    long = "L" * 3_000
    counts = {"correct": 1, "predicted": 2, "gold": 3}
    metrics = {**counts, "labels": {long: counts}, "label_names": [long], "label_spans": {long: 3}}
    project_store(settings.models_folder, 7).publish(lambda folder: None, metrics)
    assert "L" * 101 not in _text(_page(client, "/projects/7"))
    assert [*client.get("/projects/7").get_json()["labels"]] == [long]


def test_it_shows_how_many_tasks_are_left(client: FlaskClient, settings: Settings, queue: TrainingQueue) -> None:
    publish_curve(settings)
    facts = client.get("/projects/7").get_json()
    assert (facts["tasks"], facts["tasks_now"], facts["expected"]["all_tasks"]) == (None, "", None)
    assert _text(_page(client, "/"), "//td[@data-name='Annotated tasks']") == "120"
    wanted = facts["expected"]["more"]
    for left in (5, 0):
        queue.notes.note_event(7, "News", TaskCounts(123 + left, 120, 3))
        facts = client.get("/projects/7").get_json()
        assert facts["tasks"] == {
            "in_all": 123 + left,
            "annotated": 120,
            "skipped": 3,
            "left": left,
            "predictions": 0,
        }
        page = _page(client, "/projects/7")
        assert facts["tasks_now"] in _text(page, "//section[@aria-labelledby='now-title']")
        assert facts["forecast"] in _text(page, "//section[@aria-labelledby='curve-title']")
        assert _text(_page(client, "/"), "//td[@data-name='Annotated tasks']") == f"120 of {123 + left}"
        assert (f"only {left} tasks are left" in facts["forecast"]) == (0 < left < wanted)
        assert ("No task is left" in facts["forecast"]) == (left == 0)
        end = facts["expected"]["all_tasks"]
        assert (end and end["tasks"]) == (125 if left else None)


def test_hostile_texts_are_shown_as_they_are(
    client: FlaskClient, settings: Settings, queue: TrainingQueue
) -> None:
    make_hostile(settings, queue)
    for path in ("/", "/projects/8"):
        page = _page(client, path)
        assert [script.get("src") for script in page.xpath("//script")] == [page.xpath("//script/@src")[0]]
        assert len(page.xpath("//img")) == 1, "the only image is the logo"
        assert page.xpath("//@*[starts-with(name(), 'on')]") == []
        assert {address.partition(":")[0] for address in page.xpath("//a/@href") if ":" in address} == {"http"}
        assert "{{ 7 * 7 }}" in _text(page)
        turned = "contains(., '\u202e')"
        assert page.xpath(f"//dd/text()[{turned}] | //summary/text()[{turned}]") == [], (
            "it turns only its own words"
        )
    assert json.loads(client.get("/projects/8").data)["title"].startswith("<img")


def test_the_number_of_projects_makes_no_more_requests(
    client: FlaskClient, settings: Settings, queue: TrainingQueue
) -> None:
    for project in range(1, 31):
        queue.notes.note_event(project, f"Project number {project}")
    round_trips = RoundTrips(queue._redis)
    for path, trips in (("/", 2), ("/", 3), ("/projects/7", 4)):
        page = _page(client, path)
        assert path != "/" or len(page.xpath("//tbody/tr")) == 30
        assert round_trips.count == trips, "only new projects need a second round trip"
