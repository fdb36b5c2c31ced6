"""The DOM that a browser makes of HTML, as Label Studio's page walks through it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from huggingface_ner.label_studio.sanitizer import sanitize

# Chromium makes an element that is deeper than this a sibling of its parent (kMaximumHTMLParserDOMTreeDepth). The
# depth of <html> is 1.
MAX_DEPTH: Final = 512
TEXT_STEP: Final = "text()"


@dataclass(frozen=True, slots=True, eq=False)
class PageNode:
    """An element in the body of the page, or a text node.

    name: the tag as the page writes it in XPaths, or ``text()``.
    index: the number of the node among its parent's nodes of the same name; 1 for the first.
    parent: None for a node that is directly in the body.
    text: the text of a text node, as it is in the page; "" for an element.
    """

    name: str
    index: int
    parent: "PageNode | None"
    text: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it is a text node."""
        return self.name == TEXT_STEP

    def xpath(self) -> str:
        """Return the path from the body, as the page writes it."""
        steps = []
        node: PageNode | None = self
        while node is not None:
            steps.append(f"{node.name}[{node.index}]")
            node = node.parent
        return "/" + "/".join(reversed(steps))


@dataclass(frozen=True, slots=True)
class Visit:
    """A step of the walk through the page: a text node, or an element as it begins or ends."""

    node: PageNode
    is_end: bool = False


def visit_page(html: str, *, inline: bool) -> Iterator[Visit]:
    """Walk through the nodes that the page shows for a HyperText's HTML, in the page's order.

    inline: whether the page puts the HTML into a ``<div>`` (``inline="true"``). If not, it is a frame's document.
    """
    cleaned = sanitize(html, is_document=not inline).replace("\r\n", "\n").replace("\r", "\n")
    if inline:
        return _walk(LexborHTMLParser(cleaned, is_fragment=True, scripting=True).root, depth=2)
    # The sanitizer has removed the document type. Without one, Chromium parses in quirks mode, in which a table
    # does not close a paragraph.
    body = LexborHTMLParser(cleaned, scripting=True).body
    return _walk(body.first_child if body is not None else None, depth=3)


def _walk(first: LexborNode | None, depth: int) -> Iterator[Visit]:
    """Yield the steps through a node, the siblings after it, and everything in them; depth: the node's depth."""
    # no recursion: a document may be nested deeper than Python's stack
    stack: list[tuple[LexborNode | None, PageNode | None, dict[str, int]]] = []
    node, parent, counts = first, None, dict[str, int]()
    while node is not None or stack:
        if node is None:
            if parent is not None:
                yield Visit(parent, is_end=True)
            node, parent, counts = stack.pop()
            continue
        tag, following = str(node.tag), node.next
        if tag == "-text":
            yield Visit(_counted(TEXT_STEP, parent, counts, node.text_content or ""))
        elif not tag.startswith("-"):
            if depth + len(stack) > MAX_DEPTH:
                yield from _beside(node, parent, counts)
            else:
                element = _counted(tag.lower(), parent, counts)
                yield Visit(element)
                stack.append((following, parent, counts))
                node, parent, counts = node.first_child, element, {}
                continue
        node = following


def _beside(top: LexborNode, parent: PageNode | None, counts: dict[str, int]) -> Iterator[Visit]:
    """Yield an element that is too deep, then all elements in it as its siblings, each with its own text."""
    waiting = [top]
    while waiting:
        found = waiting.pop()
        element = _counted(str(found.tag).lower(), parent, counts)
        yield Visit(element)
        texts, inner = [], []
        child = found.first_child
        while child is not None:
            tag = str(child.tag)
            if tag == "-text":
                texts.append(child.text_content or "")
            elif not tag.startswith("-"):
                inner.append(child)
            child = child.next
        if texts:
            yield Visit(_counted(TEXT_STEP, element, {}, "".join(texts)))
        yield Visit(element, is_end=True)
        waiting += reversed(inner)


def _counted(name: str, parent: PageNode | None, counts: dict[str, int], text: str = "") -> PageNode:
    counts[name] = counts.get(name, 0) + 1
    return PageNode(name, counts[name], parent, text)
