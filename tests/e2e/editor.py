"""Uses Label Studio's page as a person does, with one task open and Auto-Annotation on."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.e2e.spans import Found
from tests.e2e.studio import Project

TIMEOUT = 60.0
TIMEOUT_MS = 120_000
# Maximum number of times that a word is drawn before the task is opened again, maximum number of times that the
# task is opened, and milliseconds in which a drawing has to make a region.
DRAWINGS = 3
OPENINGS = 3
DRAWN_MS = 10_000

# Returns the coordinates of a word's n-th occurrence in the page: left, right, and the middle of its line. Returns
# null until the word is shown.
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
AS_MANY_REGIONS = "before => window.Htx?.annotationStore?.selected?.serializeAnnotation().length === before"
MORE_REGIONS = "before => Htx.annotationStore.selected.serializeAnnotation().length > before"
# A drawing makes a region only after the labels have their keys and the text has loaded; HyperText loads in an
# iframe. Before that, the text does not react to the mouse, and loading it removes a selection. The page draws the
# regions last, and this moves the words.
READY = """() => {
    const annotation = Htx.annotationStore.selected;
    const tags = [...annotation.names.values()];
    return tags.every(tag => tag.isReady !== false && (tag.children ?? []).every(label => label.hotkey))
        && annotation.regions.every(({_spans}) => _spans?.length && _spans.every(span => span.isConnected));
}"""
SELECTED = """label => [...Htx.annotationStore.selected.names.values()].some(
    tag => (tag.selectedLabels ?? []).some(selected => selected.value === label))"""

# The page selects a region at once, and its labels a moment later. A key that is pressed before replaces them.
REGION_SELECTED = """() => {
    const regions = Htx.annotationStore.selected.selectedRegions;
    return regions.length === 1 && regions[0].results.every(({mainValue, from_name}) =>
        mainValue.every(label => from_name.selectedLabels.some(selected => selected.value === label)));
}"""


class Editor:
    """The page with the tasks of one project.

    keys: the key of each label. read: returns the characters that regions select, and their labels.
    """

    def __init__(
        self, page: Page, project: Project, keys: Mapping[str, str], read: Callable[[list[dict[str, Any]]], Found]
    ) -> None:
        self._page = page
        self._project = project
        self._address = f"{project.studio.server.url}/projects/{project.id}/data"
        self._keys = keys
        self._read = read
        self._query = ""
        self._untouched = False

    def open(self, query: str) -> None:
        """Open a task in the Data Manager, or the label stream, and switch Auto-Annotation on."""
        self._query, self._untouched = query, True
        self._page.goto(f"{self._address}?{query}")
        switch = self._page.get_by_text("Auto-Annotation", exact=True)
        expect(switch).to_be_visible(timeout=TIMEOUT_MS)
        if not self._page.locator("label", has=switch).locator("input").is_checked():
            switch.click()
        # while the switch has the focus, pressed keys do not reach the editor
        self._page.evaluate("document.activeElement.blur()")

    def draw(self, word: str, number: int, *labels: str) -> None:
        """Label the n-th occurrence of a word with the mouse.

        The drawing is repeated if the page does not react to the mouse yet. On a busy machine, a page sometimes
        never reacts after it was opened. Then the task is opened again, as a person would reload the page.
        """
        before = len(self._page.evaluate(REGIONS))
        for opening in range(OPENINGS if self._untouched else 1):
            if opening:
                self.open(self._query)
                self._page.wait_for_function(AS_MANY_REGIONS, arg=before, timeout=TIMEOUT_MS)
            for _ in range(DRAWINGS):
                self._draw(word, number, *labels)
                with suppress(PlaywrightTimeoutError):
                    self._page.wait_for_function(MORE_REGIONS, arg=before, timeout=DRAWN_MS)
                    self._untouched = False
                    return
        raise AssertionError(f"{word}: the page made no region")

    def _draw(self, word: str, number: int, *labels: str) -> None:
        self._page.wait_for_function(READY, timeout=TIMEOUT_MS)
        self._page.keyboard.press("Escape")
        for label in labels:
            self._page.keyboard.press(self._keys[label])
            self._page.wait_for_function(SELECTED, arg=label, timeout=TIMEOUT_MS)
        left, right, y = self._coordinates(word, number)
        mouse = self._page.mouse
        mouse.move(left, y)
        mouse.down()
        mouse.move(right, y, steps=4)
        mouse.up()

    def press(self, word: str, number: int, key: str) -> None:
        """Select the region on a word, and press a key."""
        self._untouched = False
        self._page.wait_for_function(READY, timeout=TIMEOUT_MS)
        self._page.keyboard.press("Escape")
        left, right, y = self._coordinates(word, number)
        self._page.mouse.click((left + right) / 2, y)
        self._page.wait_for_function(REGION_SELECTED, timeout=TIMEOUT_MS)
        self._page.keyboard.press(key)

    def _coordinates(self, word: str, number: int) -> Any:
        return self._page.wait_for_function(COORDINATES, arg=[word, number], timeout=TIMEOUT_MS).json_value()

    def undo(self) -> None:
        self._page.keyboard.press("Escape")
        self._page.keyboard.press("Control+z")

    def answered(self) -> Any:
        """Return a context manager that waits, at its end, for the answer to a drawn or relabelled region."""
        return self._page.expect_response(lambda answer: "interactive-annotating" in answer.url)

    def saved(self, where: str, button: str | None = None) -> None:
        """Press a button, if one is given, and wait until Label Studio has saved a draft or an annotation."""
        with self._page.expect_response(
            lambda answer: answer.request.method in ("POST", "PATCH") and where in answer.url
        ) as saving:
            if button is not None:
                self._page.get_by_role("button", name=button, exact=True).click()
        assert saving.value.ok

    def drafts(self, task_id: int, *found: tuple[str, str]) -> None:
        """Wait until the task's only draft is saved, and check that it has exactly these words and labels."""
        self.saved("/drafts")
        (draft,) = self._project.studio.ask("GET", f"/api/tasks/{task_id}/")["drafts"]
        assert sorted(self._read(each_once(draft["result"]))) == sorted(found)

    def submits(self, task_id: int, button: str, *found: tuple[str, str]) -> None:
        """Submit or update the task's only annotation, and check that it has exactly these words and labels."""
        self.saved("/annotations", button)
        (annotation,) = self._project.annotations(task_id)
        assert sorted(self._read(each_once(annotation["result"]))) == sorted(found)

    def shows(self, *found: tuple[str, str]) -> None:
        """Wait until the page has regions with exactly these words and labels."""
        end = time.monotonic() + TIMEOUT
        while sorted(now := self._read(each_once(self._page.evaluate(REGIONS)))) != sorted(found):
            assert time.monotonic() < end, now
            self._page.wait_for_timeout(50)


def each_once(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return regions, after a check that no label is twice at the same place in one control."""
    places = [
        json.dumps(
            [
                region["from_name"],
                region["to_name"],
                {key: at for key, at in region["value"].items() if key not in ("text", region["type"])},
                label,
            ],
            sort_keys=True,
        )
        for region in regions
        for label in region["value"][region["type"]]
    ]
    assert len(set(places)) == len(places), sorted(places)
    return regions
