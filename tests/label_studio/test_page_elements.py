"""The elements as Chromium shows them, and what that means for the text of a document."""

import pytest
from playwright.sync_api import Browser

from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.page_elements import INLINE, SEPARATE

UNKNOWN = ("o:p", "st1:place", "x-name", "rolename", "meta", "link", "output", "picture", "source")
# They have no text around which a border could be seen, or are shown only if a script or a click opens them.
BOXES = {"audio", "canvas", "dialog", "embed", "img", "math", "object", "svg", "video"}
DISPLAY = """names => names.map(name => {
  const element = document.body.appendChild(document.createElement(name));
  const display = getComputedStyle(element).display;
  element.remove();
  return display;
})"""


def test_what_chromium_shows_as_a_block_or_a_cell_is_separate(browser: Browser) -> None:
    names = sorted((INLINE | SEPARATE | {*UNKNOWN}) - BOXES)
    page = browser.new_page()
    shown = dict(zip(names, page.evaluate(DISPLAY, names), strict=True))
    page.close()
    flowing = ("inline", "none", "ruby", "ruby-text")
    assert {name for name, display in shown.items() if display not in flowing} == SEPARATE - BOXES


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_entity_can_lie_across_an_unknown_element(name: str) -> None:
    assert HyperTextDocument(f"<p>in New <{name}>York</{name}> now</p>").borders == ()
    glued = HyperTextDocument(f"<p>New<{name}></{name}>York</p>")
    assert (glued.text, glued.borders) == ("New\nYork", ())


@pytest.mark.parametrize(
    "html",
    [
        *(f"<div>New<{name}></{name}>York</div>" for name in ("div", "ul", "img", "button", "svg", "h1")),
        "<ul><li>New<li>York</ul>",
        "<table><tr><td>New<td>York</table>",
        "<svg><text>New</text><text>York</text></svg>",
        "New<x-name><p>York</p></x-name>",
    ],
)
def test_no_entity_lies_across_a_block(html: str) -> None:
    document = HyperTextDocument(html)
    assert (document.text, document.borders) == ("New\nYork", (4,))
