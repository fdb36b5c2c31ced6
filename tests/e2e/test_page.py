"""With the real Label Studio, the statements on the backend's page are true, and its links open the tasks."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import EACH_N_UPDATES, SCREENSHOTS, TOKEN, Serve
from tests.e2e.steps import config, published, teach, training, until
from tests.e2e.studio import Project, Studio
from tests.server.service import wait

pytestmark = pytest.mark.e2e

TITLE = "Zeitungen <b>2026</b> & mehr"
SIZES = {"wide": (1400, 900), "phone": (400, 800)}


@pytest.fixture(scope="module")
def taught(studio: Studio, serve: Serve) -> Iterator[tuple[str, Project]]:
    """Yield the address of a backend, and a project that it has learned from."""
    with serve(LABEL_STUDIO_API_KEY=TOKEN) as url:
        wait(f"{url}/ready")
        project = studio.project(TITLE, config("PER", "LOC", "ORG"))
        project.connect(url)
        before = project.backend()["model_version"]
        teach(project, EACH_N_UPDATES, "ORG")
        published(url, project, before)
        until(lambda: training(url, project).get("suggestions", {}).get("state") == "complete")
        yield url, project


def test_each_fact_is_that_of_the_api_and_of_label_studio(
    taught: tuple[str, Project], browser: Browser, studio: Studio
) -> None:
    url, project = taught
    facts = requests.get(f"{url}/projects/{project.id}", timeout=10).json()
    status = requests.get(f"{url}/training?project={project.id}", timeout=10).json()
    assert facts["title"] == status["title"] == TITLE
    assert facts["version"] == status["last"]["version"] == project.backend()["model_version"]
    assert facts["scores"]["f1"] == status["last"]["f1"]
    assert {one["name"]: one["state"] for one in facts["conditions"]} == dict.fromkeys(
        ("Label Studio", "API key", "Webhook", "Suggestions"), "good"
    )
    known = studio.ask("GET", f"/api/projects/{project.id}/")
    annotated, in_all = known["num_tasks_with_annotations"], known["task_number"]
    assert facts["tasks"] == status["tasks"]
    assert (facts["tasks"]["annotated"], facts["tasks"]["in_all"]) == (annotated, in_all)
    assert facts["tasks_now"].startswith(f"{annotated} of {in_all} tasks are annotated")
    SCREENSHOTS.mkdir(exist_ok=True)
    for name, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.goto(url)
            expect(page.locator("tbody th a")).to_have_text(TITLE)
            page.screenshot(path=SCREENSHOTS / f"home-{name}-{scheme}.png", full_page=True)
            page.get_by_role("link", name=TITLE, exact=True).click()
            expect(page.locator("h1")).to_have_text(TITLE)
            expect(page.locator(".figure")).to_contain_text(f"{facts['scores']['f1']:.2f}")
            expect(page.locator("table.versions code").first).to_have_text(facts["version"])
            page.screenshot(path=SCREENSHOTS / f"project-{name}-{scheme}.png", full_page=True)
            context.close()


def test_the_tasks_that_are_left_follow_label_studio(taught: tuple[str, Project], page: Page) -> None:
    url, project = taught
    page.goto(f"{url}/projects/{project.id}")
    tasks = requests.get(f"{url}/projects/{project.id}", timeout=10).json()["tasks"]
    new, _ = project.add({"text": "Ada flew to Lyon."}, {"text": "Ada flew to Kyiv."})
    now = page.locator("section", has=page.locator("#now-title"))
    annotated, in_all = tasks["annotated"], tasks["in_all"] + 2
    expect(now).to_contain_text(f"{annotated} of {in_all} tasks are annotated", timeout=30_000)
    project.submit(new, [])
    expect(now).to_contain_text(f"{annotated + 1} of {in_all} tasks are annotated", timeout=30_000)


def test_its_links_land_in_label_studio(taught: tuple[str, Project], page: Page, studio: Studio) -> None:
    url, project = taught
    page.goto(f"{url}/projects/{project.id}")
    page.get_by_role("link", name="Open in Label Studio").click()
    page.wait_for_url(re.compile(rf"{re.escape(studio.server.url)}/projects/{project.id}/data"))
    expect(page.get_by_text("Label All Tasks").first).to_be_visible(timeout=40_000)
