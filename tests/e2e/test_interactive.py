"""A person uses Auto-Annotation in Label Studio's page, and no string ever gets the same label twice."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.editor import Editor, each_once
from tests.e2e.spans import Found, in_hypertext, in_paragraphs, in_text
from tests.e2e.studio import Project, Studio

pytestmark = pytest.mark.e2e

SENTENCES = ("😀 Acme in Paris, Paris or Parisian Paris, Ada.", "Rome, Lyon, Rome. Acme")
DIALOGUE = [{"author": "A", "text": SENTENCES[0]}, {"author": "B", "text": SENTENCES[1]}]
HTML = f"<div><p>{SENTENCES[0].replace(', Paris', ', <b>Paris</b>')}</p><p>{SENTENCES[1]}</p></div>"
TEXT = "\r\n".join(SENTENCES)
SUGGESTED = [("Ada", "PER"), ("Lyon", "LOC")]
# kind of text -> its control, its data, and a function that returns the characters that regions select
KINDS: dict[str, tuple[str, Any, Callable[[Any], Found]]] = {
    "Text": ("Labels", TEXT, lambda regions: in_text(TEXT, regions)),
    "HyperText": ("HyperTextLabels", HTML, lambda regions: in_hypertext(HTML, regions)),
    "Paragraphs": ("ParagraphLabels", DIALOGUE, lambda regions: in_paragraphs(DIALOGUE, regions)),
}
KEYS = {"PER": "1", "LOC": "2"}


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
    editor = Editor(page, project, KEYS, read)
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
        editor.drafts(task_id, *SUGGESTED, *relabelled)

        editor.open(f"task={task_id}")
        editor.shows(*SUGGESTED, *relabelled)
        editor.draw("Rome", 0, "LOC")
        with_rome = [*SUGGESTED, *relabelled, *[("Rome", "LOC")] * 2]
        editor.shows(*with_rome)
        page.screenshot(path=SCREENSHOTS / f"interactive-{kind}.png")
        editor.submits(task_id, "Submit current annotation", *with_rome)

        editor.open(f"task={task_id}")
        editor.shows(*with_rome)
        editor.draw("Acme", 1, "PER")
        editor.shows(*with_rome, *[("Acme", "PER")] * 2)
        editor.submits(task_id, "submit", *with_rome, *[("Acme", "PER")] * 2)
    finally:
        page.screenshot(path=SCREENSHOTS / f"interactive-{kind}-end.png")


def test_in_the_label_stream_without_predictions(studio: Studio, backend: str, page: Page) -> None:
    """In the second task, the second drawing does not wait for the answer to the first; the page may drop it."""
    project, task_ids = connected(studio, backend, "Text", tasks=2)
    studio.ask("PATCH", f"/api/projects/{project.id}/", {"show_collab_predictions": False})
    editor = Editor(page, project, KEYS, KINDS["Text"][2])
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
