"""In Label Studio's page, in Chromium, suggestions are on the right characters and are saved unchanged."""

import time
from dataclasses import dataclass
from typing import Any

import lxml.html
import pytest
from playwright.sync_api import Error, FrameLocator, Page, expect

from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.samples import DIALOGUE, FOUND, FOUND_IN_DIALOGUE, FOUND_IN_HTML, HTML, TEXT
from tests.e2e.spans import Found
from tests.e2e.steps import only_prediction
from tests.e2e.studio import Studio

pytestmark = pytest.mark.e2e

MILLISECONDS_TO_LOAD = 120_000
DRAW_TIMEOUT = 60.0

COLOURS = {"PER": "#cc0000", "LOC": "#0000cc"}
# The element from whose start the characters of each kind of text are counted: the whole text or an utterance.
ROOTS = {"Text": ".lsf-htx-richtext", "HyperText": "body", "Paragraphs": "[class*=dialoguetext]"}
# Returns, for each drawn stretch, the text before it, its characters, and its colour.
DRAWN = """(highlights, root) => highlights.filter(highlight => highlight.closest(root)).map(highlight => {
    const before = document.createRange();
    before.setStart(highlight.closest(root), 0);
    before.setEndBefore(highlight);
    const [red, green, blue] = getComputedStyle(highlight).backgroundColor.match(/[0-9.]+/g) || [];
    const colour = "#" + [red, green, blue].map(part => Number(part).toString(16).padStart(2, "0")).join("");
    return [before.toString(), highlight.textContent, colour];
})"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A task with one kind of text.

    data: the task's data. shown: the shown stretches of text in which positions are counted. found: the entities
    that should be found in each of these stretches.
    """

    data: Any
    shown: tuple[str, ...]
    found: tuple[Found, ...]


KINDS = {
    "Text": Kind(TEXT, (TEXT,), (FOUND,)),
    "HyperText": Kind(HTML, (lxml.html.document_fromstring(HTML).text_content(),), (FOUND_IN_HTML,)),
    "Paragraphs": Kind(DIALOGUE, tuple(one["text"] for one in DIALOGUE), tuple(FOUND_IN_DIALOGUE)),
}


def without_line_ends(text: str) -> str:
    """Return a text without line ends, because a Text shows them as <br>, and HTML turns CR LF into LF."""
    return text.replace("\r", "").replace("\n", "")


def meant(kind: Kind) -> list[tuple[str, str, str]]:
    """Return the stretches that should be drawn: the text before each, its characters, and its label's colour."""
    stretches = []
    for text, found in zip(kind.shown, kind.found, strict=True):
        end = 0
        for characters, label in found:
            start = text.index(characters, end)
            end = start + len(characters)
            stretches.append((without_line_ends(text[:start]), characters, COLOURS[label]))
    return stretches


def drawn(page: Page, name: str, awaited: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the drawn stretches, in the order of the text.

    The page draws more than once, and may replace the frame that it draws in. So wait until the awaited stretches
    are drawn, but at most DRAW_TIMEOUT seconds.
    """
    inside: Page | FrameLocator = page.frame_locator("iframe.lsf-htx-richtext") if name == "HyperText" else page
    highlights = inside.locator(".htx-highlight")
    expect(highlights.first).to_be_visible(timeout=MILLISECONDS_TO_LOAD)
    until = time.monotonic() + DRAW_TIMEOUT
    while True:
        try:
            found = highlights.evaluate_all(DRAWN, ROOTS[name])
        except Error as error:
            if "Frame was detached" not in str(error):
                raise
            found = []
        now = [(without_line_ends(before), characters, colour) for before, characters, colour in found]
        if now == awaited or time.monotonic() > until:
            return now
        page.wait_for_timeout(100)


@pytest.mark.parametrize("name", KINDS)
def test_predictions_are_drawn_on_the_right_characters_and_saved_unchanged(
    name: str, studio: Studio, backend: str, page: Page
) -> None:
    kind = KINDS[name]
    tag = {"Text": "Labels", "HyperText": "HyperTextLabels", "Paragraphs": "ParagraphLabels"}[name]
    labels = "".join(f'<Label value="{label}" background="{colour}"/>' for label, colour in COLOURS.items())
    layout = ' layout="dialogue"' if name == "Paragraphs" else ""
    control = f'<{tag} name="label" toName="text">{labels}</{tag}>'
    shown = f'<{name} name="text" value="$text"{layout}/>'
    project = studio.project(f"page {name}", f"<View>{control}{shown}</View>")
    project.connect(backend)
    (task_id,) = project.add({"text": kind.data})

    page.goto(f"{studio.server.url}/projects/{project.id}/data?task={task_id}")
    try:
        assert drawn(page, name, meant(kind)) == meant(kind)
    finally:
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    prediction = only_prediction(project.open(task_id))
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/annotations" in answer.url):
        page.get_by_role("button", name="Submit current annotation").click()
    (annotation,) = project.annotations(task_id)
    assert annotation["parent_prediction"] == prediction["id"]
    assert annotation["result"] == [{**region, "origin": "prediction"} for region in prediction["result"]]
