"""The pages in Chromium: they fit, they can be used by everybody, they refresh, and nothing hostile runs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.learning.progress import RunProgress
from huggingface_ner.server.pages import routes
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import project_store
from tests.server.pages.projects import end_training, make_hostile, publish, publish_curve, served

WIDTHS = (1400, 400)
Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def url(app: Flask, settings: Settings, queue: TrainingQueue, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service with a trained project, a hostile one and a new one."""
    monkeypatch.setattr(routes, "BUSY_INTERVAL", 0.2)
    monkeypatch.setattr(routes, "IDLE_INTERVAL", 0.2)
    publish_curve(settings)
    end_training(queue)
    queue.notes.note_event(7, "Zeitungen aus Brandenburg")
    make_hostile(settings, queue)
    queue.notes.note_event(9, "Verträge")
    with served(app) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, url: str) -> Open:
    """Open a page of the service; the test fails if its console shows an error or if it loads anything else."""

    @contextmanager
    def opened(path: str, *, status: int = 200, **options: Any) -> Iterator[Page]:
        context = browser.new_context(**options)
        page = context.new_page()
        trouble: list[str] = []

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error":
                trouble.append(message.text)

        def see(asked: Request) -> None:
            if not asked.url.startswith(url):
                trouble.append(f"requests {asked.url}")

        page.on("console", hear)
        page.on("request", see)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(dialog.message))
        try:
            answer = page.goto(f"{url}{path}")
            assert answer is not None
            assert answer.status == status
            yield page
            assert trouble == []
        finally:
            context.close()

    return opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/", "/projects/7", "/projects/8", "/projects/9"])
def test_the_pages_are_accessible(open_page: Open, path: str, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    with open_page(path, viewport=size, color_scheme=scheme) as page:
        for summary in page.locator("summary").all():
            summary.click()
        found = Axe().run(page).response["violations"]
        told = [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]
        assert told == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page fits the window"


@pytest.mark.parametrize(("width", "is_wider"), [(400, True), (1400, False)])
def test_a_table_that_is_wider_than_the_window_says_so(open_page: Open, width: int, is_wider: bool) -> None:
    with open_page("/projects/7", viewport={"width": width, "height": 900}) as page:
        hint, matrix = page.locator("#mistakes-title ~ .sideways"), page.locator("#mistakes-title ~ .scroll")
        expect(hint).to_be_visible(visible=is_wider)
        page.evaluate("refresh()")
        expect(hint).to_be_visible(visible=is_wider)
        of_curve = page.locator("#curve-table .sideways")
        expect(of_curve).to_be_hidden()
        page.locator("#curve-table summary").click()
        expect(of_curve).to_be_visible(visible=is_wider)
        if is_wider:
            matrix.scroll_into_view_if_needed()
            matrix.evaluate("one => one.scrollBy(1000, 0)")
            expect(matrix.get_by_role("columnheader", name="missed")).to_be_in_viewport()
            expect(matrix.get_by_role("rowheader", name="invented")).to_be_in_viewport()
            page.set_viewport_size({"width": 1400, "height": 900})
            expect(hint).to_be_hidden()


def test_nothing_hostile_runs(open_page: Open) -> None:
    for path in ("/", "/projects/8"):
        with open_page(path) as page:
            for summary in page.locator("summary").all():
                summary.click()
            page.evaluate("refresh()")
            assert "owned" not in page.title() or "Hugging Face NER" in page.title()
            assert page.locator("main img, main script, main iframe").count() == 0
            links = page.locator("a").evaluate_all("links => links.map(link => new URL(link.href).protocol)")
            assert set(links) == {"http:"}


def test_it_refreshes_without_losing_what_a_person_does(
    open_page: Open, queue: TrainingQueue, settings: Settings
) -> None:
    with open_page("/projects/7") as page:
        state = page.locator("#now-title ~ .lead")
        expect(state).to_have_text("No training is running")
        page.locator("#mistake-1 summary").click()
        page.locator("#mistake-1 a").first.focus()
        page.evaluate("window.marked = document.querySelector('#mistake-1 a'); document.body.dataset.same = 1")
        queue.request_training(7)
        expect(state).to_have_text("A training starts in a few seconds")
        run = queue.begin(7)
        assert run is not None
        queue.report(run, RunProgress("training", 50, 200, 1.0, 30.0))
        expect(state).to_have_text("Training: learning")
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "25.0")
        queue.report(run, RunProgress("training", 100, 200, 2.0, 20.0))
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "50.0")
        queue.release(run)
        before = page.locator("table.versions tbody tr").count()
        store = project_store(settings.models_folder, 7, settings.keep_versions + 1)
        publish(store, 99, 130, 0.8)
        expect(page.locator("table.versions tbody tr")).to_have_count(before + 1)
        assert page.evaluate("document.activeElement === window.marked"), "the same element still has the focus"
        expect(page.locator("#mistake-1")).to_have_attribute("open", "")
        assert page.evaluate("document.body.dataset.same") == "1", "the page was not loaded again"


def test_it_says_when_the_server_is_away(browser: Browser, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "IDLE_INTERVAL", 0.2)
    context = browser.new_context()
    page = context.new_page()
    with served(app) as address:
        page.goto(address)
        expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("h1")).to_have_text("Projects")
    context.close()


def test_it_can_be_used_with_the_keyboard_alone(open_page: Open) -> None:
    with open_page("/projects/7") as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator("#mistake-1 summary").evaluate("one => one === document.activeElement"):
                break
        expect(page.locator("#mistake-1 summary")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#mistake-1 a").first).to_be_visible()


def test_without_scripts_it_says_the_same(open_page: Open) -> None:
    with open_page("/projects/7", java_script_enabled=False) as page:
        expect(page.locator("h1")).to_have_text("Zeitungen aus Brandenburg")
        expect(page.locator("svg.curve.wide")).to_be_visible()
