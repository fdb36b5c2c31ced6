"""Auto-Annotation works with several labels on a region, and with two controls over one text."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.editor import Editor
from tests.e2e.spans import Found, in_hypertext, in_text
from tests.e2e.studio import Project, Studio

pytestmark = pytest.mark.e2e

SENTENCES = ("Acme in Paris, Paris or Paris, Ada.", "Rome, Lyon, Rome. Acme, Bonn, Bonn")
TEXT = "\n".join(SENTENCES)
HTML = f"<p>{SENTENCES[0]}</p><p>{SENTENCES[1]}</p>"
SUGGESTED = [("Ada", "PER"), ("Lyon", "LOC")]
KEYS = {"PER": "1", "LOC": "2", "Old": "3", "New": "4"}


def _in_hypertext(regions: list[dict[str, Any]]) -> Found:
    return in_hypertext(HTML, regions)


def _in_text(regions: list[dict[str, Any]]) -> Found:
    return in_text(TEXT, regions)


KINDS: dict[str, tuple[str, str, Callable[[list[dict[str, Any]]], Found]]] = {
    "Text": ("Labels", TEXT, _in_text),
    "HyperText": ("HyperTextLabels", HTML, _in_hypertext),
}


def _project(studio: Studio, backend: str, kind: str, controls: str) -> tuple[Project, int]:
    project = studio.project(f"controls {kind}", f'<View>{controls}<{kind} name="text" value="$text"/></View>')
    project.connect(backend, is_interactive=True)
    (task_id,) = project.add({"text": KINDS[kind][1]})
    return project, task_id


def _control(kind: str, name: str, *labels: str, more: str = "") -> str:
    tag = KINDS[kind][0]
    inner = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<{tag} name="{name}" toName="text"{more}>{inner}</{tag}>'


@pytest.mark.parametrize("kind", KINDS)
def test_two_controls_over_one_text(kind: str, studio: Studio, backend: str, page: Page) -> None:
    controls = _control(kind, "entity", "PER", "LOC") + _control(kind, "age", "Old", "New")
    project, task_id = _project(studio, backend, kind, controls)
    read = KINDS[kind][2]
    editor = Editor(page, project, KEYS, read)
    try:
        editor.open(f"task={task_id}")
        editor.shows(*SUGGESTED)
        editor.draw("Paris", 1, "LOC")
        entities = [*SUGGESTED, *[("Paris", "LOC")] * 3]
        editor.shows(*entities)
        # the page sends the regions of the other control only in the draft
        editor.saved("/drafts")
        with editor.answered():
            editor.draw("Paris", 0, "Old")
        # the other occurrences already have a region
        ages = [("Paris", "Old")]
        editor.shows(*entities, *ages)
        editor.draw("Rome", 1, "New")
        ages = [*ages, *[("Rome", "New")] * 2]
        editor.shows(*entities, *ages)
        with editor.answered():
            editor.press("Rome", 0, KEYS["Old"])
        relabelled = [*ages[:-1], ("Rome", "Old")]
        editor.shows(*entities, *relabelled)
        editor.press("Rome", 0, "Backspace")
        editor.shows(*entities, *ages[:-1])
        editor.undo()
        editor.shows(*entities, *relabelled)
        with editor.answered():
            editor.draw("Bonn", 0, "LOC", "New")
        # the page sends one request for both labels, in which the second control's label comes last
        both = [*entities, *relabelled, ("Bonn", "LOC"), *[("Bonn", "New")] * 2]
        editor.shows(*both)
        editor.drafts(task_id, *both)

        editor.open(f"task={task_id}")
        editor.shows(*both)
        editor.draw("Acme", 1, "PER")
        with_acme = [*both, *[("Acme", "PER")] * 2]
        editor.shows(*with_acme)
        editor.submits(task_id, "Submit current annotation", *with_acme)

        editor.open(f"task={task_id}")
        editor.shows(*with_acme)
        with editor.answered():
            editor.draw("Acme", 0, "Old")
        updated = [*with_acme, ("Acme", "Old")]
        editor.shows(*updated)
        editor.submits(task_id, "submit", *updated)
    finally:
        page.screenshot(path=SCREENSHOTS / f"interactive-controls-{kind}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_several_labels_on_one_region(kind: str, studio: Studio, backend: str, page: Page) -> None:
    """In HyperText and Text alike, the copies have all labels of the drawn region."""
    project, task_id = _project(
        studio, backend, kind, _control(kind, "entity", "PER", "LOC", "Old", "New", more=' choice="multiple"')
    )
    read = KINDS[kind][2]
    editor = Editor(page, project, KEYS, read)
    try:
        editor.open(f"task={task_id}")
        editor.shows(*SUGGESTED)
        editor.draw("Paris", 1, "LOC", "Old")
        paris = [("Paris", "LOC"), ("Paris", "Old")] * 3
        editor.shows(*SUGGESTED, *paris)
        with editor.answered():
            editor.press("Paris", 0, KEYS["New"])
        more = [*SUGGESTED, *paris, ("Paris", "New")]
        editor.shows(*more)
        editor.press("Paris", 2, "Backspace")
        fewer = [*SUGGESTED, *paris[2:], ("Paris", "New")]
        editor.shows(*fewer)
        editor.undo()
        editor.shows(*more)
        editor.submits(task_id, "Submit current annotation", *more)

        editor.open(f"task={task_id}")
        editor.shows(*more)
        editor.draw("Rome", 0, "PER", "New")
        updated = [*more, *[("Rome", "PER"), ("Rome", "New")] * 2]
        editor.shows(*updated)
        editor.submits(task_id, "submit", *updated)
    finally:
        page.screenshot(path=SCREENSHOTS / f"interactive-labels-{kind}.png")
