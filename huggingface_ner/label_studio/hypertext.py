"""``<HyperText>``: HTML as a browser shows it.

A region says where it is twice: by XPath, with UTF-16 offsets inside a text node, and by ``globalOffsets``, code
points over all text nodes of the body, in which a ``<br>`` counts one.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from huggingface_ner.label_studio.utf16 import CodeUnits

# These run on with the words around them; what any other element holds stands apart from them.
_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|rp|rt|ruby|s|samp|small|"
    "span|strike|strong|sub|sup|time|tt|u|var|wbr"
)
_UNSEEN = frozenset({"script", "style", "template", "noscript"})
_NO_INDEX = re.compile(r"(?<=[^\]])(?=/|$)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the text: of a text node, of a <br>, or a break that nothing in the document holds.

    xpath: the text node's; "" for what is none.
    start: where it begins in the text; global_start: where in globalOffsets; None for a break.
    """

    start: int
    text: str
    xpath: str
    global_start: int | None

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class HyperTextDocument:
    """A piece of HTML; words of neighbouring blocks are kept apart by line breaks that no region holds."""

    def __init__(self, html: str) -> None:
        self._pieces = list(_pieces(html))
        self.text = "".join(piece.text for piece in self._pieces)
        self._nodes = {piece.xpath: piece for piece in self._pieces if piece.xpath}
        self._units = {xpath: CodeUnits(piece.text) for xpath, piece in self._nodes.items()}
        self._starts = [piece.start for piece in self._pieces]
        self._counted = [piece for piece in self._pieces if piece.global_start is not None]
        self._global_starts = [piece.global_start or 0 for piece in self._counted]

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """Return a region's value, without its labels; None where no text node is within."""
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, end - 1) - 1
        nodes = [piece for piece in self._pieces[max(first, 0) : last + 1] if piece.xpath]
        if not nodes:
            return None
        start, end = max(start, nodes[0].start), min(end, nodes[-1].end)
        in_first, in_last = start - nodes[0].start, end - nodes[-1].start
        return {
            "start": nodes[0].xpath,
            "end": nodes[-1].xpath,
            "startOffset": self._units[nodes[0].xpath].before(in_first),
            "endOffset": self._units[nodes[-1].xpath].before(in_last),
            "globalOffsets": {
                "start": (nodes[0].global_start or 0) + in_first,
                "end": (nodes[-1].global_start or 0) + in_last,
            },
            "text": self.text[start:end],
        }

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the stretch of the text that a region's value selects: by XPath, else by code points."""
        start = self._in_node(value.get("start"), value.get("startOffset"))
        end = self._in_node(value.get("end"), value.get("endOffset"))
        if start is None or end is None:
            places = value.get("globalOffsets")
            if isinstance(value.get("start"), int) and isinstance(value.get("end"), int):
                places = value
            if not isinstance(places, Mapping):
                return None
            start, end = self._from_global(places.get("start")), self._from_global(places.get("end"), is_end=True)
        return None if start is None or end is None or start >= end else (start, end)

    def _in_node(self, xpath: object, units: object) -> int | None:
        if not isinstance(xpath, str) or not isinstance(units, int):
            return None
        xpath = _NO_INDEX.sub("[1]", xpath)
        node = self._nodes.get(xpath)
        return None if node is None else node.start + self._units[xpath].code_point(units)

    def _from_global(self, place: object, *, is_end: bool = False) -> int | None:
        if not isinstance(place, int) or place < 0 or not self._counted:
            return None
        # an end belongs to what stands before it
        piece = self._counted[max(bisect_right(self._global_starts, place - is_end) - 1, 0)]
        return piece.start + min(max(place - (piece.global_start or 0), 0), len(piece.text))


def _pieces(html: str) -> Iterator[_Piece]:
    body = LexborHTMLParser(_SURROGATE.sub("\ufffd", html)).body
    start = global_start = 0
    apart = False
    last = "\n"
    for tag, text, xpath in _walk(body):
        if not xpath and tag not in ("br", *_UNSEEN):
            apart = True
        elif tag in _UNSEEN:
            global_start += len(text)
        elif text:
            if apart and not last.isspace() and not text[0].isspace():
                yield _Piece(start, "\n", "", None)
                start += 1
            yield _Piece(start, text, xpath, global_start)
            start += len(text)
            global_start += len(text)
            apart, last = False, text[-1]


def _walk(body: LexborNode | None) -> Iterator[tuple[str, str, str]]:
    """Yield (tag, text, XPath) of text nodes, and (tag, "", "") where a block begins or ends.

    A <br> is yielded with a line break and no XPath; text that no one sees under its element's tag.
    """
    # an own stack: a document may be nested deeper than Python's
    stack: list[tuple[LexborNode | None, str, str, Counter[str]]] = []
    node, path, parent, counts = body.first_child if body else None, "", "body", Counter[str]()
    while node is not None or stack:
        if node is None:
            if not _INLINE.fullmatch(parent):
                yield parent, "", ""
            node, path, parent, counts = stack.pop()
            continue
        tag, following = str(node.tag), node.next
        if tag == "-text":
            counts["text()"] += 1
            text = node.text_content or ""
            if parent in _UNSEEN:
                yield parent, text, ""
            else:
                yield tag, text, f"{path}/text()[{counts['text()']}]"
        elif not tag.startswith("-"):
            counts[tag] += 1
            if tag == "br":
                yield tag, "\n", ""
            elif not _INLINE.fullmatch(tag) and tag not in _UNSEEN:
                yield tag, "", ""
            stack.append((following, path, parent, counts))
            node, path, parent, counts = node.first_child, f"{path}/{tag}[{counts[tag]}]", tag, Counter[str]()
            continue
        node = following
