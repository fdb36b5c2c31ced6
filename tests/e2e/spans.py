"""Finds the characters that stored regions select, without this project's own code."""

from collections.abc import Iterable
from typing import Any

import lxml.html

Found = list[tuple[str, str]]


def utf16_slice(text: str, start: int, end: int) -> str:
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")


def in_text(text: str, regions: Iterable[dict[str, Any]]) -> Found:
    """Return (characters, label) for each region of a <Text>, whose offsets count code points."""
    return [
        (text[value["start"] : value["end"]], label)
        for value in (region["value"] for region in regions)
        for label in value["labels"]
    ]


def in_hypertext(html: str, regions: Iterable[dict[str, Any]]) -> Found:
    """Return (characters, label) for each region of a <HyperText>, whose offsets count UTF-16 units in text nodes.

    The global offsets count code points, and have to select the same characters.
    """
    body = lxml.html.document_fromstring(html).find("body")
    nodes = {region["id"]: body.xpath(f".{region['value']['start']}")[0] for region in regions}
    for line_break in body.iter("br"):
        line_break.tail = f"\n{line_break.tail or ''}"
    seen = body.text_content()
    found = []
    for region in regions:
        value = region["value"]
        assert value["start"] == value["end"], "no entity in the tests' texts spans two nodes"
        characters = utf16_slice(nodes[region["id"]], value["startOffset"], value["endOffset"])
        assert seen[value["globalOffsets"]["start"] : value["globalOffsets"]["end"]] == characters
        found += [(characters, label) for label in value["hypertextlabels"]]
    return found


def in_paragraphs(dialogue: list[dict[str, str]], regions: Iterable[dict[str, Any]]) -> Found:
    """Return (characters, label) for each region of <Paragraphs>, whose offsets count UTF-16 units."""
    found = []
    for value in (region["value"] for region in regions):
        assert value["start"] == value["end"], "no entity in the tests' texts spans two paragraphs"
        text = dialogue[int(value["start"])]["text"]
        characters = utf16_slice(text, value["startOffset"], value["endOffset"])
        found += [(characters, label) for label in value["paragraphlabels"]]
    return found
