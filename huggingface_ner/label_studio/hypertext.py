"""``<HyperText>``: HTML as the page shows it.

A region says where it is in two ways: by XPath, with UTF-16 offsets inside a text node, and by ``globalOffsets``.
The latter count code points over all text nodes of the body, and a ``<br>`` as one code point.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from huggingface_ner.label_studio.page_elements import (
    FOLDED,
    FOREIGN,
    INLINE,
    PREFORMATTED,
    SEPARATE,
    UNSELECTABLE,
)
from huggingface_ner.label_studio.page_nodes import PageNode, visit_page
from huggingface_ner.label_studio.utf16 import CodeUnits

_BLANKS = re.compile(r"\s|\\n")
# Blanks that the page shows as one blank, although there is neither a blank nor a line feed among them.
_CHANGED = re.compile(r"(?<![ \n\t\r\f])[\t\r\f]++(?![ \n])")
_STEP = re.compile(r"/([^/\[\]]+)(?:\[([1-9][0-9]{0,8})\])?")


@dataclass(frozen=True)
class _Piece:
    """A stretch of the text: a text node, a <br>, or an inserted line break that is not in the document.

    node: the text node; None for the other kinds.
    start: where it begins in the text. global_start: where it begins in globalOffsets; None for an inserted break.
    sure: the number of characters that surely count as UTF-16 code units; see HyperTextDocument.offsets.
    """

    start: int
    text: str
    node: PageNode | None
    global_start: int | None
    sure: int = sys.maxsize

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @cached_property
    def units(self) -> CodeUnits:
        return CodeUnits(self.text)

    def is_sure(self, count: int) -> bool:
        """Return whether the page surely counts the first ``count`` characters as UTF-16 code units."""
        sure = min(self.sure, count)
        return self.units.before(count) - self.units.before(sure) == count - sure


@dataclass(frozen=True, slots=True)
class _Edge:
    """An edge of a region by XPath: a text node's piece, and an offset in it in UTF-16 code units."""

    piece: _Piece
    offset: int

    @property
    def place(self) -> int:
        """The edge in the text, in code points."""
        return self.piece.start + self.piece.units.code_point(self.offset)

    def may_be(self, place: int) -> bool:
        """Return whether the edge can be at a place of the text, because the page may count too few units."""
        inside = place - self.piece.start
        in_piece = 0 <= inside <= min(self.offset, len(self.piece.text))
        return in_piece and self.offset <= self.piece.units.before(inside)


class HyperTextDocument:
    """The text of some HTML, with a line break inserted between the words of neighbouring blocks.

    ``globalOffsets`` do not count the inserted line breaks, and no region begins or ends in one.

    inline: see visit_page.
    """

    def __init__(self, html: str, *, inline: bool = False) -> None:
        borders: list[int] = []
        self._pieces = list(_pieces(html, inline, borders))
        self.text = "".join(piece.text for piece in self._pieces)
        self.borders = tuple(borders)
        self._starts = [piece.start for piece in self._pieces]
        self._counted = [piece for piece in self._pieces if piece.global_start is not None]
        self._global_starts = [piece.global_start or 0 for piece in self._counted]

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """Return a region's value, without its labels; None if there is no text node in the stretch."""
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, end - 1) - 1
        pieces = [piece for piece in self._pieces[max(first, 0) : last + 1] if piece.node is not None]
        if not pieces:
            return None
        start, end = max(start, pieces[0].start), min(end, pieces[-1].end)
        in_first, in_last = start - pieces[0].start, end - pieces[-1].start
        # without XPaths, the page reads globalOffsets; it writes XPaths itself when the annotation is saved
        by_xpath = pieces[0].is_sure(in_first) and pieces[-1].is_sure(in_last)
        return {
            "start": _xpath(pieces[0]) if by_xpath else "",
            "end": _xpath(pieces[-1]) if by_xpath else "",
            "startOffset": pieces[0].units.before(in_first),
            "endOffset": pieces[-1].units.before(in_last),
            "globalOffsets": {
                "start": (pieces[0].global_start or 0) + in_first,
                "end": (pieces[-1].global_start or 0) + in_last,
            },
            "text": self.text[start:end],
        }

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the stretch of the text that a value selects, by XPath or, if that fails, by code points.

        After blanks that Chromium does not show as they are (a tab becomes a blank), and after elements whose text
        it may not show, the page counts an emoji in an XPath offset as one unit or as two. Then ``globalOffsets``
        say where the region is.
        """
        start = self._in_node(value.get("start"), value.get("startOffset"))
        end = self._in_node(value.get("end"), value.get("endOffset"))
        places = value.get("globalOffsets")
        if isinstance(value.get("start"), int) and isinstance(value.get("end"), int):
            places = value
        counted = self._counted_stretch(places)
        if start is None or end is None:
            return counted
        found = start.place, end.place
        if counted not in (None, found) and start.may_be(counted[0]) and end.may_be(counted[1]):
            # before 2021, globalOffsets were UTF-16 units; the saved text shows it
            saved = value.get("text")
            if not isinstance(saved, str) or _bare(saved) != _bare(self.text[slice(*found)]):
                found = counted
        return found if found[0] < found[1] else None

    @cached_property
    def _by_step(self) -> dict[tuple[int, str, int], PageNode | _Piece]:
        """The node or piece to which each step of an XPath leads.

        The key is Python's ``id()`` of the parent node (0 for the body), the step's name and its index.

        A step to an element leads to its node. A step to a text node leads to its piece.
        """
        ways: dict[tuple[int, str, int], PageNode | _Piece] = {}
        for piece in self._pieces:
            found: PageNode | _Piece = piece
            node = piece.node
            while node is not None:
                key = (id(node.parent) if node.parent is not None else 0, node.name, node.index)
                if key in ways:
                    break
                ways[key] = found
                found = node = node.parent  # type: ignore[assignment]  # None ends the loop
        return ways

    def _in_node(self, xpath: object, units: object) -> _Edge | None:
        if not isinstance(xpath, str) or not isinstance(units, int) or not xpath.startswith("/"):
            return None
        found: PageNode | _Piece | None = None
        place = 0
        while place < len(xpath):
            step = _STEP.match(xpath, place)
            if step is None or isinstance(found, _Piece):
                return None
            found = self._by_step.get((id(found) if found is not None else 0, step[1], int(step[2] or 1)))
            if found is None:
                return None
            place = step.end()
        return _Edge(found, units) if isinstance(found, _Piece) else None

    def _counted_stretch(self, places: object) -> tuple[int, int] | None:
        """Return the stretch between two ``globalOffsets``; None if they select nothing."""
        if not isinstance(places, Mapping):
            return None
        start, end = self._from_global(places.get("start")), self._from_global(places.get("end"), is_end=True)
        return None if start is None or end is None or start >= end else (start, end)

    def _from_global(self, place: object, *, is_end: bool = False) -> int | None:
        if not isinstance(place, int) or place < 0 or not self._counted:
            return None
        # an end between two pieces belongs to the first of them
        piece = self._counted[max(bisect_right(self._global_starts, place - is_end) - 1, 0)]
        return piece.start + min(max(place - (piece.global_start or 0), 0), len(piece.text))


def _bare(text: str) -> str:
    """Return text without blanks and line breaks; the page writes a line break as a backslash and an n."""
    return _BLANKS.sub("", text)


def _xpath(piece: _Piece) -> str:
    return piece.node.xpath() if piece.node is not None else ""


def _pieces(html: str, inline: bool, borders: list[int]) -> Iterator[_Piece]:
    """Yield the pieces of the text in order; append to ``borders`` where each further block begins."""
    start = global_start = 0
    apart, separate, is_sure = False, False, True
    preformatted, folded, foreign = 0, 0, 0
    last = "\n"
    for visit in visit_page(html, inline=inline):
        node = visit.node
        if node.is_text or (node.name == "br" and not visit.is_end):
            text = node.text if node.is_text else "\n"
            if node.parent is not None and node.parent.name in UNSELECTABLE and node.is_text:
                global_start += len(text)
                continue
            if apart and not last.isspace() and not text[0].isspace():
                yield _Piece(start, "\n", None, None)
                start += 1
            if separate and start:
                borders.append(start)
            # after such blanks or elements the page may miscount; blanks at the start of a block are not shown
            changed = None if preformatted or not is_sure else _CHANGED.search(text, int(separate or not start))
            is_sure = is_sure and not folded
            sure = 0 if not is_sure else changed.start() if changed else sys.maxsize
            is_sure = is_sure and changed is None
            yield _Piece(start, text, node if node.is_text else None, global_start, sure)
            start += len(text)
            global_start += len(text)
            apart, separate, last = False, False, text[-1]
        elif node.name not in INLINE and node.name not in UNSELECTABLE and node.name != "br":
            apart = True
            separate = separate or foreign > 0 or node.name in SEPARATE
        step = -1 if visit.is_end else 1
        preformatted += step * (node.name in PREFORMATTED)
        folded += step * (node.name in FOLDED)
        foreign += step * (node.name in FOREIGN)
