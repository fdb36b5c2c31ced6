"""What a person does in Label Studio's page with Auto-Annotation on: no string ever gets the same label twice."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.spans import Found, in_hypertext, in_paragraphs, in_text
from tests.e2e.studio import Project, Studio

pytestmark = pytest.mark.e2e

TIMEOUT = 60.0
TIMEOUT_MS = 120_000

SENTENCES = ("😀 Acme in Paris, Paris or Parisian Paris, Ada.", "Rome, Lyon, Rome. Acme")
DIALOGUE = [{"author": "A", "text": SENTENCES[0]}, {"author": "B", "text": SENTENCES[1]}]
HTML = f"<div><p>{SENTENCES[0].replace(', Paris', ', <b>Paris</b>')}</p><p>{SENTENCES[1]}</p></div>"
TEXT = "\r\n".join(SENTENCES)
SUGGESTED = [("Ada", "PER"), ("Lyon", "LOC")]
# kind of text -> its control, its data, and how to read what regions select
KINDS: dict[str, tuple[str, Any, Callable[[Any], Found]]] = {
    "Text": ("Labels", TEXT, lambda regions: in_text(TEXT, regions)),
    "HyperText": ("HyperTextLabels", HTML, lambda regions: in_hypertext(HTML, regions)),
    "Paragraphs": ("ParagraphLabels", DIALOGUE, lambda regions: in_paragraphs(DIALOGUE, regions)),
}
KEYS = {"PER": "1", "LOC": "2"}
# The page's coordinates of a word's n-th occurrence: left, right, and its line; null until the word is shown.
COORDINATES = """([word, number]) => {
    const frame = document.querySelector("iframe.lsf-htx-richtext");
    const roots = frame ? frame.contentDocument.querySelectorAll("body")
        : document.querySelectorAll(".lsf-htx-richtext, [class*=dialoguetext]");
    const {left, top} = frame ? frame.getBoundingClientRect() : {left: 0, top: 0};
    for (const root of roots) {
        const nodes = [], walker = root.ownerDocument.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) nodes.push(walker.currentNode);
        const text = nodes.map(node => node.data).join("");
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
            if (number-- > 0) continue;
            let before = 0;
            const range = root.ownerDocument.createRange();
            for (const node of nodes) {
                const length = node.data.length;
                if (before <= at && at < before + length) range.setStart(node, at - before);
                const end = at + word.length;
                if (before < end && end <= before + length) range.setEnd(node, end - before);
                before += length;
            }
            const rectangle = range.getBoundingClientRect();
            const y = top + (rectangle.top + rectangle.bottom) / 2;
            return [left + rectangle.left + 0.5, left + rectangle.right - 0.5, y];
        }
    }
    return null;
}"""
REGIONS = "() => Htx.annotationStore.selected.serializeAnnotation()"
# A drawing makes a region only once the labels have their keys and the text has loaded, in an iframe for
# HyperText. Before, nothing listens to the mouse there, and the loading takes a selection away. The page draws the
# regions last, which moves the words.
READY = """() => {
    const annotation = Htx.annotationStore.selected;
    const tags = [...annotation.names.values()];
    return tags.every(tag => tag.isReady !== false && (tag.children ?? []).every(label => label.hotkey))
        && annotation.regions.every(({_spans}) => _spans?.length && _spans.every(span => span.isConnected));
}"""
SELECTED = """label => [...Htx.annotationStore.selected.names.values()].some(
    tag => (tag.selectedLabels ?? []).some(selected => selected.value === label))"""


class Editor:
    """Label Studio's page with one task open and Auto-Annotation on, as a person uses it."""

    def __init__(self, page: Page, project: Project, kind: str) -> None:
        self._page = page
        self._address = f"{project.studio.server.url}/projects/{project.id}/data"
        self._read = KINDS[kind][2]

    def open(self, query: str) -> None:
        """Open a task in the Data Manager, or the label stream, and switch Auto-Annotation on."""
        self._page.goto(f"{self._address}?{query}")
        switch = self._page.get_by_text("Auto-Annotation", exact=True)
        expect(switch).to_be_visible(timeout=TIMEOUT_MS)
        if not self._page.locator("label", has=switch).locator("input").is_checked():
            switch.click()
        # keys that are pressed while the switch has the focus are not the editor's
        self._page.evaluate("document.activeElement.blur()")

    def draw(self, word: str, number: int, label: str) -> None:
        """Label the n-th occurrence of a word with the mouse."""
        self._page.wait_for_function(READY, timeout=TIMEOUT_MS)
        self._page.keyboard.press("Escape")
        self._page.keyboard.press(KEYS[label])
        self._page.wait_for_function(SELECTED, arg=label, timeout=TIMEOUT_MS)
        left, right, y = self._coordinates(word, number)
        mouse = self._page.mouse
        mouse.move(left, y)
        mouse.down()
        mouse.move(right, y, steps=4)
        mouse.up()

    def press(self, word: str, number: int, key: str) -> None:
        """Select the region on a word, and press a key."""
        self._page.wait_for_function(READY, timeout=TIMEOUT_MS)
        self._page.keyboard.press("Escape")
        left, right, y = self._coordinates(word, number)
        self._page.mouse.click((left + right) / 2, y)
        self._page.wait_for_function(
            "() => Htx.annotationStore.selected.selectedRegions.length === 1", timeout=TIMEOUT_MS
        )
        self._page.keyboard.press(key)

    def _coordinates(self, word: str, number: int) -> Any:
        return self._page.wait_for_function(COORDINATES, arg=[word, number], timeout=TIMEOUT_MS).json_value()

    def undo(self) -> None:
        self._page.keyboard.press("Escape")
        self._page.keyboard.press("Control+z")

    def answered(self) -> Any:
        """Wait, at the end of the with block, for Label Studio's answer to a drawn or relabelled region."""
        return self._page.expect_response(lambda answer: "interactive-annotating" in answer.url)

    def saved(self, where: str, button: str | None = None) -> None:
        """Press a button if one is given, and wait until Label Studio has saved a draft or an annotation."""
        with self._page.expect_response(
            lambda answer: answer.request.method in ("POST", "PATCH") and where in answer.url
        ) as saving:
            if button is not None:
                self._page.get_by_role("button", name=button, exact=True).click()
        assert saving.value.ok

    def shows(self, *found: tuple[str, str]) -> None:
        """Wait until the page has regions with these words and labels, and no others."""
        end = time.monotonic() + TIMEOUT
        while sorted(now := self._read(each_once(self._page.evaluate(REGIONS)))) != sorted(found):
            assert time.monotonic() < end, now
            self._page.wait_for_timeout(50)


def each_once(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return regions; no two may have the same place and label."""
    places = [
        json.dumps([region["to_name"], {**region["value"], "text": None}], sort_keys=True) for region in regions
    ]
    assert len(set(places)) == len(places), sorted(places)
    return regions


def connected(studio: Studio, backend: str, kind: str, tasks: int) -> tuple[Project, list[int]]:
    control, data, _ = KINDS[kind]
    labels = "".join(f'<Label value="{label}"/>' for label in KEYS)
    layout = ' layout="dialogue"' if kind == "Paragraphs" else ""
    shown = f'<{kind} name="text" value="$text"{layout}/>'
    config = f'<View><{control} name="label" toName="text">{labels}</{control}>{shown}</View>'
    project = studio.project(f"auto-annotation {kind}", config)
    project.connect(backend, is_interactive=True)
    return project, project.add(*({"text": data} for _ in range(tasks)))


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_data_manager_with_predictions(kind: str, studio: Studio, backend: str, page: Page) -> None:
    project, (task_id,) = connected(studio, backend, kind, tasks=1)
    read = KINDS[kind][2]
    editor = Editor(page, project, kind)
    try:
        editor.open(f"task={task_id}")
        editor.shows(*SUGGESTED)
        editor.draw("Paris", 1, "LOC")
        paris = [("Paris", "LOC")] * 3
        editor.shows(*SUGGESTED, *paris)

        with editor.answered():
            editor.press("Paris", 1, KEYS["PER"])
        relabelled = [*paris[1:], ("Paris", "PER")]
        editor.shows(*SUGGESTED, *relabelled)
        editor.press("Paris", 0, "Backspace")
        editor.shows(*SUGGESTED, *relabelled[1:])
        editor.undo()
        editor.shows(*SUGGESTED, *relabelled)
        editor.saved("/drafts")
        (draft,) = studio.ask("GET", f"/api/tasks/{task_id}/")["drafts"]
        assert sorted(read(each_once(draft["result"]))) == sorted([*SUGGESTED, *relabelled])

        editor.open(f"task={task_id}")
        editor.shows(*SUGGESTED, *relabelled)
        editor.draw("Rome", 0, "LOC")
        with_rome = [*SUGGESTED, *relabelled, *[("Rome", "LOC")] * 2]
        editor.shows(*with_rome)
        page.screenshot(path=SCREENSHOTS / f"interactive-{kind}.png")
        editor.saved("/annotations", "Submit current annotation")
        (annotation,) = project.annotations(task_id)
        assert sorted(read(each_once(annotation["result"]))) == sorted(with_rome)

        editor.open(f"task={task_id}")
        editor.shows(*with_rome)
        editor.draw("Acme", 1, "PER")
        editor.shows(*with_rome, *[("Acme", "PER")] * 2)
        editor.saved("/annotations", "submit")
        (annotation,) = project.annotations(task_id)
        assert sorted(read(each_once(annotation["result"]))) == sorted([*with_rome, *[("Acme", "PER")] * 2])
    finally:
        page.screenshot(path=SCREENSHOTS / f"interactive-{kind}-end.png")


def test_in_the_label_stream_without_predictions(studio: Studio, backend: str, page: Page) -> None:
    """In the second task the next drawing does not wait for the answer to the first, which the page may drop."""
    project, task_ids = connected(studio, backend, "Text", tasks=2)
    studio.ask("PATCH", f"/api/projects/{project.id}/", {"show_collab_predictions": False})
    editor = Editor(page, project, "Text")
    try:
        editor.open("labeling=1")
        editor.shows()
        editor.draw("Rome", 1, "PER")
        editor.shows(*[("Rome", "PER")] * 2)
        editor.draw("Paris", 0, "LOC")
        drawn = [("Paris", "LOC")] * 3 + [("Rome", "PER")] * 2
        editor.shows(*drawn)
        editor.saved("/annotations", "Submit current annotation")
        editor.shows()
        with editor.answered():
            editor.draw("Acme", 0, "PER")
            editor.draw("Paris", 3, "PER")
        editor.saved("/annotations", "Submit current annotation")
    finally:
        page.screenshot(path=SCREENSHOTS / "interactive-stream.png")
    saved = [project.annotations(task_id) for task_id in task_ids]
    first, second = [in_text(TEXT, each_once(annotation["result"])) for (annotation,) in saved]
    assert sorted(first) == sorted(drawn)
    assert ("Acme", "PER") in second
