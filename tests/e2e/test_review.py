"""With the real Label Studio, two people annotate, and a tab shows the tasks to review."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.e2e.conftest import EACH_N_UPDATES, SCREENSHOTS, TOKEN, Serve
from tests.e2e.steps import LESSON, LESSON_LEARNED, config, published, region, teach, until
from tests.e2e.studio import Project, Studio
from tests.server.service import wait

pytestmark = pytest.mark.e2e

TAB = "To review (Hugging Face NER)"


@pytest.fixture(scope="module")
def reviewed(studio: Studio, serve: Serve) -> Iterator[tuple[str, Project, list[int]]]:
    """Yield a backend's address, a project that it learned from, and the tasks that two annotators disagree on."""
    with serve(LABEL_STUDIO_API_KEY=TOKEN) as url:
        wait(f"{url}/ready")
        project = studio.project("two annotators", config("PER", "LOC", "ORG"))
        first = studio.user("first@example.org", "Ada", "Lovelace")
        project.connect(url)
        before = project.backend()["model_version"]
        texts = [LESSON.format(f"{name} Ltd") for name in ("North", "South", "West")]
        disputed = project.add(*({"text": text} for text in texts))
        for task_id, text in zip(disputed, texts, strict=True):
            regions = [region(text, *found) for found in LESSON_LEARNED]
            project.submit(task_id, [*regions, region(text, "Acme", "ORG")], completed_by=first)
            project.submit(task_id, [*regions, region(text, "Acme", "LOC")])
        teach(project, EACH_N_UPDATES - 2 * len(disputed), "ORG")
        published(url, project, before)
        yield url, project, disputed


def _tabs(studio: Studio, project: Project) -> list[Any]:
    views = studio.ask("GET", f"/api/dm/views/?project={project.id}")
    return [view for view in views if view["data"].get("title") == TAB]


def _tasks(studio: Studio, view: Any) -> set[int]:
    """Return the tasks that Label Studio shows in a tab."""
    return {task["id"] for task in studio.ask("GET", f"/api/tasks?view={view['id']}&page_size=100")["tasks"]}


def test_the_page_says_who_disagrees_about_what(
    reviewed: tuple[str, Project, list[int]], page: Page, studio: Studio
) -> None:
    url, project, disputed = reviewed
    review = requests.get(f"{url}/projects/{project.id}", timeout=10).json()["review"]
    agreement = review["agreement"]
    assert agreement["tasks"] == len(disputed)
    assert {int(one["task"]) for one in agreement["disputed"]} == {*disputed}
    (pair,) = agreement["pairs"]
    assert "Ada Lovelace" in pair["annotators"]
    assert {frozenset(one["labels"]) for one in pair["differences"]} == {frozenset({"ORG", "LOC"})}
    (acme,) = [one for one in review["contradictions"] if one["string"] == "Acme"]
    assert {one["label"] for one in acme["counts"]} == {"ORG", "LOC"}
    page.goto(f"{url}/projects/{project.id}")
    section = page.locator("section", has=page.locator("#review-title"))
    expect(section).to_contain_text("Ada Lovelace")
    section.locator("#dispute-1 summary").click()
    section.screenshot(path=SCREENSHOTS / "review.png")
    places = {
        "#dispute-1": agreement["disputed"][0],
        "#contradiction-1": review["contradictions"][0]["examples"][0],
    }
    for name, place in places.items():
        page.goto(f"{url}/projects/{project.id}")
        section.locator(f"{name} summary").click()
        section.locator(f"{name} a").first.click()
        page.wait_for_url(f"{studio.server.url}/projects/{project.id}/data?*task={place['task']}*")


def test_the_tab_shows_exactly_these_tasks(
    reviewed: tuple[str, Project, list[int]], page: Page, studio: Studio
) -> None:
    url, project, disputed = reviewed
    assert _tabs(studio, project) == []
    page.goto(f"{url}/projects/{project.id}")
    page.get_by_role("button", name="as a tab in Label Studio").click()
    until(lambda: len(_tabs(studio, project)) == 1)
    (tab,) = _tabs(studio, project)
    found = _tasks(studio, tab)
    table = requests.get(f"{url}/projects/{project.id}/review.csv", timeout=10).text.removeprefix("\ufeff")
    listed = {int(row["task"]) for row in csv.DictReader(io.StringIO(table)) if row["kind"] != "not listed"}
    assert {*disputed} <= found == listed

    page.goto(f"{studio.server.url}/projects/{project.id}/data?tab={tab['id']}")
    expect(page.get_by_text(TAB).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Default", exact=True).first).to_be_visible()
    rows = page.locator("[class*='table-row']").filter(has_text="flew")
    expect(rows).to_have_count(len(found), timeout=60_000)
    page.screenshot(path=SCREENSHOTS / "review-tab.png")

    before = project.backend()["model_version"]
    settled = disputed[0]
    for annotation in project.annotations(settled):
        if annotation["completed_by"] != 1:
            studio.ask("PATCH", f"/api/annotations/{annotation['id']}/", {"ground_truth": True})
    teach(project, EACH_N_UPDATES, "ORG")
    published(url, project, before)
    until(lambda: settled not in {int(one["task"]) for one in _disputed(url, project)})
    (updated,) = _tabs(studio, project)
    assert updated["id"] == tab["id"]
    assert {*disputed[1:]} <= _tasks(studio, updated)


def _disputed(url: str, project: Project) -> list[Any]:
    page = requests.get(f"{url}/projects/{project.id}", timeout=10).json()
    return list(page["review"]["agreement"]["disputed"])
