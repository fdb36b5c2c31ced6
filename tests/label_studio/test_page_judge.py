"""Compares how we read HTML, texts and data with Label Studio's own sources, which run in Chromium."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from huggingface_ner.label_studio.documents import TextDocument
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.page_elements import UNSELECTABLE
from huggingface_ner.label_studio.page_nodes import visit_page
from huggingface_ner.label_studio.page_values import MISSING, as_text, fill_in
from huggingface_ner.label_studio.paragraphs import read_utterances
from tests.label_studio.judge import PageText, page_orders, page_texts, page_values, prepare, selected

DOCUMENTS = int(os.environ.get("JUDGED_DOCUMENTS", "500"))
AT_A_TIME = 50
TAGS = [
    "p",
    "b",
    "i",
    "a",
    "div",
    "span",
    "table",
    "tr",
    "td",
    "th",
    "tbody",
    "caption",
    "ul",
    "li",
    "ol",
    "dl",
    "dt",
    "dd",
    "pre",
    "br",
    "hr",
    "img",
    "em",
    "h1",
    "script",
    "style",
    "iframe",
    "noscript",
    "title",
    "textarea",
    "svg",
    "math",
    "select",
    "option",
    "font",
    "nobr",
    "section",
    "template",
    "head",
    "body",
    "html",
    "details",
]
TEXTS = [
    "Anna",
    " ",
    "\n",
    "\r\n",
    "\r",
    "😀",
    "é",
    "\0",
    "\ufeff",
    "\t",
    "\f",
    "\x0b",
    "\x85",
    "\u2028",
    "\x1f",
    "<",
    "&",
    "-->",
]
REFERENCES = [
    "&amp;",
    "&lt;b&gt;",
    "&nbsp;",
    "&copy",
    "&notit;",
    "&#65;",
    "&#0;",
    "&#x80;",
    "&#13;",
    "&#x110000;",
    "&#x1F600;",
]
ODD = [
    "<!-- c -->",
    "<!-->",
    "<!--->",
    "<!--[if IE]>x<![endif]-->",
    "<![if !IE]>y<![endif]>",
    "<!DOCTYPE html>",
    "<![CDATA[ q ]]>",
    "<?xml v?>",
    "</>",
    "</ x>",
    "<1>",
    "<a<b>",
    "<p/>",
    "<br/>",
    "<script/>",
    "<svg/>",
    "</br>",
    "<!x>",
    "<!->x>",
    "<b class='q>' id=x/>",
    "<input type=hidden>",
    "<b class='a&amp;b' id=&#65;c 7 x=\"&copy\" 5 y='&#x41;'>",
    "<!",
]
HTML = st.lists(
    st.one_of(
        st.sampled_from(TAGS).map("<{}>".format),
        st.sampled_from(TAGS).map("</{}>".format),
        st.sampled_from(TEXTS),
        st.sampled_from(REFERENCES),
        st.sampled_from(ODD),
    ),
    max_size=25,
).map("".join)
PLAIN = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from([*"\0\r\n\t\f\x0b\x85<&'😀"])), max_size=30
)
# Some documents are cut off anywhere, as previews of e-mails are.
CUT = st.builds(lambda html, rest: html[: max(len(html) - rest, 0)], HTML, st.integers(0, 40))
DOCUMENT = st.one_of(
    st.tuples(st.sampled_from(["frame", "frame", "inline"]), HTML | CUT), st.tuples(st.just("text"), PLAIN)
)
SHOTS = settings(
    max_examples=DOCUMENTS // AT_A_TIME,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Chromium with the sanitiser of the page."""
    judge = browser.new_page()
    prepare(judge)
    yield judge
    judge.close()


ASTRAL = "[\U00010000-\U0010ffff]"
# A blank that the page shows as another character, and an emoji after it.
CHANGED = re.compile(f"[\t\r\f].*{ASTRAL}", re.DOTALL)
# Elements whose text the page may not show.
FOLDED = re.compile("<(?:details|svg|math)")
# The names of the elements in an XPath.
NAMES = re.compile(r"/(\w+)\[")


def _is_as_the_page_writes(written: dict[str, Any] | None, value: dict[str, Any], html: str, before: str) -> bool:
    """Return whether we have written a region as the page does; without XPaths if the page may miscount emoji.

    before: the document's text up to the region's end.
    """
    if written is not None and not written["start"]:
        value = {**value, "start": "", "end": "", "startOffset": ANY, "endOffset": ANY}
        assert CHANGED.search(before) or (FOLDED.search(html) and re.search(ASTRAL, before)), html
    return written == value


def _ours(kind: str, value: str) -> list[PageText]:
    nodes: list[PageText] = []
    count = 0
    for visit in visit_page(value, inline=kind == "inline"):
        if visit.node.is_text:
            nodes.append((visit.node.xpath(), visit.node.text, count))
            count += len(visit.node.text)
        elif visit.node.name == "br" and not visit.is_end:
            nodes.append(("", "\n", count))
            count += 1
    return nodes


@SHOTS
@given(documents=st.lists(DOCUMENT, min_size=AT_A_TIME, max_size=AT_A_TIME))
def test_our_text_nodes_are_the_pages(page: Page, documents: list[tuple[str, str]]) -> None:
    for (kind, value), nodes in zip(documents, page_texts(page, documents), strict=True):
        if kind == "text":
            shown = "".join(text for _, text, _ in nodes)
            assert TextDocument(value).text.replace("\r", "\n") == shown
            continue
        assert _ours(kind, value) == nodes, (kind, value)
        document = HyperTextDocument(value, inline=kind == "inline")
        for xpath, text, count in nodes:
            region = {
                "start": xpath,
                "end": xpath,
                "startOffset": 0,
                "endOffset": len(text.encode("utf-16-le")) // 2,
            }
            place = document.offsets(region) if xpath else None
            if place is not None:
                assert document.text[slice(*place)] == text
                written = document.value(*place)
                counted = {"globalOffsets": {"start": count, "end": count + len(text)}, "text": text}
                assert _is_as_the_page_writes(written, {**region, **counted}, value, document.text[: place[1]])


def _is_inside_a_character(text: str, units: int) -> bool:
    """Return whether an offset in UTF-16 code units lies inside a character, where nobody can select."""
    before = text.encode("utf-16-le", "surrogatepass")[: 2 * units]
    return len(before.decode("utf-16-le", "ignore").encode("utf-16-le")) < len(before)


PLACES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=6)


@settings(SHOTS, max_examples=DOCUMENTS)
@given(html=HTML, places=PLACES, inline=st.booleans())
@example(
    html="&#x110000;<select>\ufeff</ol>&#65;<br>\ufeff</select>&#x80;&copy</b>\x0c</div>&#x110000;</br>",
    places=[(196, 270), (219, 98), (96, 92)],
    inline=False,
)
@example(html="a<option>b</option>c", places=[(1, 2), (0, 3), (2, 3)], inline=True)
@example(html="<li>a<select>b</select>c", places=[(1, 3), (0, 2), (0, 3)], inline=False)
def test_what_a_person_selects_is_what_we_read_and_write(
    page: Page, html: str, places: list[tuple[int, int]], inline: bool
) -> None:
    document = HyperTextDocument(html, inline=inline)
    for value, back in selected(page, html, places, inline=inline):
        assert back == [value["globalOffsets"]["start"], value["globalOffsets"]["end"]]
        if any(_is_inside_a_character(document.text, edge) for edge in back):
            continue
        place = document.offsets(value)
        assert place is not None, (html, value)
        written = document.value(*place)
        found = document.offsets(written or {})
        if found != place:  # a selection can end behind a <br>; what we write ends with the last text node
            assert found is not None, html
            assert place[0] <= found[0] < found[1] <= place[1], html
            lost = document.text[place[0] : found[0]] + document.text[found[1] : place[1]]
            assert "br" in html, html
            assert not lost.strip("\n"), html
            continue
        if any(UNSELECTABLE.intersection(NAMES.findall(value[edge])) for edge in ("start", "end")):
            continue  # what we write begins or ends with the text beside, which can be selected
        before = document.text[: place[1]]
        assert _is_as_the_page_writes(written, {**value, "text": document.text[slice(*place)]}, html, before), html


KEYS = ["a", "b", "a.b", "A", "0", "1", "", "length", "a[0]", "é", "{a}", "[0", ".a"]
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 - 1, 2**53, -(2**53), 1e21, 1e20, 1e-6, 1e-7, -0.0, 10**30, 123456789.5]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=3), st.sampled_from(["Anna 😀", "$a", "$& $1"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
DATA = st.dictionaries(st.sampled_from(KEYS), JSON, min_size=2)
PATH = st.lists(
    st.sampled_from(
        ["a", "b", "A", "0", "1", "9", "01", ".", "..", "[", "]", "[0]", "[1]", "[a]", "{a}", "length"]
    ),
    min_size=1,
    max_size=5,
).map("".join)
WORDS = st.sampled_from(["", " ", ", ", "-", "é", "$", "$ ", "(", ")", "\n", "😀", "by "])
TEMPLATE = st.one_of(
    PATH.map("${}".format), st.lists(st.one_of(PATH.map("${}".format), WORDS), min_size=1, max_size=5).map("".join)
)
ONE_VARIABLE = re.compile(r"\$[\w\[\].{}]+", re.ASCII)
# If a variable stands among words, we keep a full stop after it, but the page drops it.
FULL_STOP = re.compile(r"\$[\w\[\].{}]*[\w\[\]{}]\.+(?![\w\[\].{}])", re.ASCII)


@settings(SHOTS, max_examples=DOCUMENTS)
@given(template=TEMPLATE, data=DATA)
def test_we_read_the_data_as_the_page_does(page: Page, template: str, data: object) -> None:
    assume(ONE_VARIABLE.fullmatch(template) or not FULL_STOP.search(template))
    as_json = json.dumps(data)
    value = fill_in(template, json.loads(as_json))
    ours = "" if value is None or value is MISSING else as_text(value)
    assert [ours] == page_values(page, [(template, as_json)])


# Times as numbers, as different numbers in texts, and as timecodes. A dialogue has times of one kind: if they are
# mixed, the page's comparison can contradict itself, and the order depends on the browser's way of sorting.
NUMBER_TIMES = st.one_of(st.none(), st.integers(0, 3), st.floats(0, 3))
TEXT_TIMES = st.sampled_from(["", "0", "0.50", " 1 ", "2", "10", ".7", "3.", "1e2", "0x4", "-1"])
CODE_TIMES = st.sampled_from(["00:00:00", "00:00:01", "00:02", "00:10"])
DIALOGUE = st.one_of(
    st.lists(st.dictionaries(st.sampled_from(["start", "end", "duration"]), NUMBER_TIMES), min_size=1, max_size=8),
    *(
        st.lists(st.fixed_dictionaries({"start": times, "end": times.filter(bool)}), min_size=1, max_size=8)
        for times in (TEXT_TIMES, CODE_TIMES)
    ),
)


@settings(SHOTS, max_examples=DOCUMENTS)
@given(dialogue=DIALOGUE)
def test_we_sort_utterances_as_the_page_does(page: Page, dialogue: list[dict[str, object]]) -> None:
    utterances = [{**utterance, "text": str(place)} for place, utterance in enumerate(dialogue)]
    ours = [int(text) for text in read_utterances(utterances, "text", is_sorted=True)]
    assert [ours] == page_orders(page, [json.dumps(dialogue)]), dialogue
