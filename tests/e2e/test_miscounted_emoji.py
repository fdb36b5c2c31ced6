"""Suggestions in HyperText where the page counts the characters of its own XPath offsets wrongly."""

from typing import Any

import pytest
from playwright.sync_api import Page

from huggingface_ner.label_studio.documents import open_document
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.editor import READY, Editor
from tests.e2e.spans import Found
from tests.e2e.studio import Studio

pytestmark = pytest.mark.e2e

CONFIG = (
    '<View><HyperTextLabels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></HyperTextLabels>'
    '<HyperText name="text" value="$html"/></View>'
)
# Chromium shows a tab between words as a blank. From there on, the page counts an emoji as one unit, not as two.
HTML = "<p>So\tsay 😀😀 Ada, and 🔥 Lyon.</p><p>😀 Lyon 😀 Ada</p>"
FOUND = [("Ada", "PER"), ("Ada", "PER"), ("Lyon", "LOC"), ("Lyon", "LOC")]
HIGHLIGHTED = """() => Htx.annotationStore.selected.regions.map(
    region => [region._spans.map(span => span.textContent).join(""), region.labels[0]])"""


def test_suggestions_after_a_tab_and_emoji_are_on_the_right_characters(
    studio: Studio, backend: str, page: Page
) -> None:
    project = studio.project("miscounted emoji", CONFIG)
    project.connect(backend, is_interactive=True)
    (task_id,) = project.add({"html": HTML})
    (text,) = parse_labeling_config(CONFIG).objects
    document = open_document(text, HTML)

    def read(regions: list[dict[str, Any]]) -> Found:
        stretches = [(document.offsets(region["value"]), region["value"]["hypertextlabels"]) for region in regions]
        return [
            (document.text[slice(*stretch)], labels[0]) for stretch, labels in stretches if stretch is not None
        ]

    editor = Editor(page, project, {"PER": "1", "LOC": "2"}, read)
    try:
        editor.open(f"task={task_id}")
        editor.shows(*FOUND)
        page.wait_for_function(READY)
        assert sorted(map(tuple, page.evaluate(HIGHLIGHTED))) == FOUND
        editor.submits(task_id, "Submit current annotation", *FOUND)
    finally:
        page.screenshot(path=SCREENSHOTS / "miscounted-emoji.png")
