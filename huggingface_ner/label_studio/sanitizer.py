"""Cleans HTML as Label Studio's page does before the page shows the HTML.

The page of Label Studio 1.23.2 runs ``sanitizeHtml`` of its editor (``utils/html.js``): sanitize-html over
htmlparser2 with every tag allowed, and scripts and iframes cut out with all their content. htmlparser2 is not an
HTML5 parser: it has its own rules for comments, for unfinished tags and for which tag closes which. This module
follows the same rules. In the page, a browser then parses the cleaned HTML. A browser would make the same
text nodes from this module's output as from the page's.
"""

import re
from collections import Counter
from urllib.parse import urlsplit

from huggingface_ner.label_studio.character_references import (
    REFERENCE,
    STRICT_REFERENCE,
    TITLE_REFERENCE,
    after_references,
    character,
)
from huggingface_ner.label_studio.page_values import UnreadableTextError
from huggingface_ner.label_studio.sanitized_attributes import escape, write_attributes
from huggingface_ner.label_studio.sanitizer_tags import (
    AROUND,
    CLOSES,
    FOREIGN,
    INTEGRATION,
    VOID,
    WRITTEN_SELF_CLOSING,
)

# Maximum number of open elements. For many kinds of tags, a browser searches all open elements, so this bounds the
# time for one tag.
MAX_NESTING = 35_000
_SPACE = re.compile(r"[ \n\t\f\r]*")
_TAG_NAME = re.compile(r"[A-Za-z][^ \n\t\f\r/>]*")
_CLOSING_NAME = re.compile(r"[^ \n\t\f\r>]*")
_ATTRIBUTE_NAME = re.compile(r".[^ \n\t\f\r/>=]*", re.DOTALL)
_UNQUOTED = re.compile(r"[^ \n\t\f\r>]*")
# "&#x" at the very end of the input makes htmlparser2 lose the text before it
_SWALLOWING_END = re.compile(r"&#[xX]\Z")
# An attribute's value that ends like this at the very end of the input becomes text.
_OPEN_REFERENCE = re.compile(r"&(?:#(?:[0-9]*|[xX][0-9a-fA-F]*))?\Z")
_SPECIAL_END = {
    name: re.compile(f"</{name}(?=[> \\n\\t\\f\\r])", re.IGNORECASE) for name in ("script", "style", "title")
}
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# "constructor" is cut out because the editor's table of tags inherits this name from JavaScript's Object
_CUT_OUT = frozenset({"script", "iframe", "constructor"})
_VIDEO_HOSTS = frozenset(
    {"www.youtube.com", "youtube.com", "www.youtube-nocookie.com", "youtube-nocookie.com", "youtu.be"}
)


def sanitize(html: str, *, is_document: bool) -> str:
    """Return the HTML that the browser gets; takes time and memory in proportion to the input.

    is_document: whether the HTML becomes a separate document; if so, a byte order mark at its start is removed.
    Raises UnreadableTextError if elements are nested deeper than MAX_NESTING.
    """
    return _Sanitizer(_SURROGATE.sub("\ufffd", html), is_document).run()


class _Sanitizer:
    """Reads HTML once, from left to right, and writes as it goes.

    Methods that read return the index at which reading continues, or the input's length if nothing is left.
    """

    def __init__(self, html: str, is_document: bool) -> None:
        self._html = html
        self._is_document = is_document
        self._out: list[str] = []
        # the open elements: name, where in _out they begin, and whether they are cut out
        self._open: list[tuple[str, int, bool]] = []
        self._open_names: Counter[str] = Counter()
        self._in_foreign: list[bool] = []

    def run(self) -> str:
        html, end = self._html, len(self._html)
        start = place = 0  # start of the text that is not written yet; where to look for the next tag
        while (tag := html.find("<", place)) >= 0 and tag + 1 < end:
            following = html[tag + 1]
            if following in "!?" or (following.isascii() and following.isalpha()):
                self._text(html[start:tag])
                place = start = self._markup(tag)
            elif following == "/":
                name = self._skip_space(tag + 2)
                if name == end:
                    break
                if html[name] == ">":  # "</>" is text
                    place = name + 1
                else:
                    self._text(html[start:tag])
                    place = start = self._closing_tag(name)
            else:
                place = tag + 1
        self._last_text(html[start:])
        while self._open:
            self._close()
        return "".join(self._out)

    def _markup(self, tag: int) -> int:
        following = self._html[tag + 1]
        if following == "!":
            return self._declaration(tag)
        if following == "?":
            return self._until(">", tag + 2, text_from=tag + 2)
        return self._opening_tag(tag)

    def _declaration(self, tag: int) -> int:
        """Skip a comment, a CDATA section or other markup that begins with "<!"."""
        html = self._html
        if html.startswith("<!--", tag):
            return self._until("-->", tag + 2)
        if html.startswith("<![CDATA[", tag):
            return self._until("]]>", tag + 9)
        if html.startswith("<![", tag):
            return self._until(">", tag + 3, text_from=tag + 2)
        # the character after "<!" or "<!-" is not looked at, even if it is the ">"
        return self._until(">", tag + (4 if html.startswith("<!-", tag) else 3), text_from=tag + 2)

    def _until(self, closing: str, place: int, *, text_from: int | None = None) -> int:
        """Skip everything up to the end of a closing string.

        If there is no closing string, the rest of the input is skipped. In that case, if text_from is given, the
        input from there on is first written as text.
        """
        found = self._html.find(closing, place)
        if found >= 0:
            return found + len(closing)
        if text_from is not None:
            self._text(self._html[text_from:], decode=False)
        return len(self._html)

    def _opening_tag(self, tag: int) -> int:
        html, end = self._html, len(self._html)
        match = _TAG_NAME.match(html, tag + 1)
        name = match[0] if match else ""
        place = tag + 1 + len(name)
        lowered = name.lower()
        if place == end:
            if any(special.startswith(lowered) for special in _SPECIAL_END):
                self._text(name, decode=False)
            return end
        attributes: dict[str, str] = {}
        while True:
            place = self._skip_space(place)
            if place == end:
                return end
            if html[place] == ">":
                return self._special_text(lowered, self._begin(lowered, attributes, place + 1))
            if html[place] == "/":
                place = self._skip_space(place + 1)
                if place == end:
                    self._text(html[-1], decode=False)
                    return end
                if html[place] == ">":
                    self._begin(lowered, attributes, place + 1)
                    if self._in_foreign and self._in_foreign[-1] and lowered not in VOID:
                        self._close()
                    return place + 1
                continue
            place = self._attribute(place, attributes)

    def _attribute(self, place: int, attributes: dict[str, str]) -> int:
        html, end = self._html, len(self._html)
        match = _ATTRIBUTE_NAME.match(html, place)
        name = match[0] if match else ""
        place = self._skip_space(place + len(name))
        value = ""
        if html.startswith("=", place):
            place = self._skip_space(place + 1)
            if place == end:
                return end
            if html[place] in "\"'":
                closing = html.find(html[place], place + 1)
                if closing < 0:
                    self._open_value(html[place + 1 :])
                    return end
                value, place = html[place + 1 : closing], closing + 1
            else:
                unquoted = _UNQUOTED.match(html, place)
                value = unquoted[0] if unquoted else ""
                place += len(value)
                if place == end:
                    self._open_value(value)
        attributes.setdefault(name.lower(), STRICT_REFERENCE.sub(character, value))
        return place

    def _open_value(self, value: str) -> None:
        """Read an attribute's value that the end of the input cuts off."""
        if _OPEN_REFERENCE.search(value):
            self._text(value[after_references(value, STRICT_REFERENCE) :], decode=False)

    def _closing_tag(self, place: int) -> int:
        html, end = self._html, len(self._html)
        if not (html[place].isascii() and html[place].isalpha()):
            return self._until(">", place, text_from=place)
        match = _CLOSING_NAME.match(html, place)
        name = match[0] if match else ""
        place += len(name)
        if place == end:
            return end
        self._end(name.lower())
        closing = html.find(">", place)
        if closing < 0:
            self._text(html[-1], decode=False)
            return end
        return closing + 1

    def _special_text(self, name: str, place: int) -> int:
        """Read the content of a script, style or title, in which tags are text."""
        if name not in _SPECIAL_END:
            return place
        found = _SPECIAL_END[name].search(self._html, place)
        text = self._html[place : found.start() if found else len(self._html)]
        if name == "title":
            if found is None and _SWALLOWING_END.search(text):
                text = text[: after_references(text, TITLE_REFERENCE)]
            text = TITLE_REFERENCE.sub(character, text)
        self._text(text, decode=False)
        return self._closing_tag(found.start() + 2) if found else len(self._html)

    def _begin(self, name: str, attributes: dict[str, str], place: int) -> int:
        closes = CLOSES.get(name, frozenset())
        while self._open and self._open[-1][0] in closes:
            self._close()
        begin = len(self._out)
        ending = " />" if name in WRITTEN_SELF_CLOSING else ">"
        self._out.append(f"<{name}{write_attributes(attributes)}{ending}")
        if name not in VOID:
            if len(self._open) >= MAX_NESTING:
                raise UnreadableTextError(f"the HTML has more than {MAX_NESTING} elements inside one another")
            is_cut = name in _CUT_OUT and not (name == "iframe" and _is_video(attributes.get("src", "")))
            self._open.append((name, begin, is_cut))
            self._open_names[name] += 1
            if name in FOREIGN:
                self._in_foreign.append(True)
            elif name in INTEGRATION:
                self._in_foreign.append(False)
        elif name not in WRITTEN_SELF_CLOSING:
            self._out.append(f"</{name}>")
        return place

    def _end(self, name: str) -> None:
        if self._in_foreign and (name in FOREIGN or name in INTEGRATION):
            self._in_foreign.pop()
        if name == "br":
            self._out.append("<br />")
        elif name not in VOID and self._open_names[name]:
            while self._close() != name:
                pass
        elif name == "p":
            self._out.append("<p></p>")

    def _close(self) -> str:
        name, begin, is_cut = self._open.pop()
        self._open_names[name] -= 1
        if is_cut:
            del self._out[begin:]
        else:
            self._out.append(f"</{name}>")
        return name

    def _last_text(self, text: str) -> None:
        if _SWALLOWING_END.search(text):
            text = text[: max(text.rfind("<"), after_references(text, REFERENCE))]
        self._text(text)

    def _text(self, text: str, *, decode: bool = True) -> None:
        if text:
            decoded = REFERENCE.sub(character, text) if decode and "&" in text else text
            if self._is_document and not self._out:
                decoded = decoded.removeprefix("\ufeff")
            if "\0" in decoded and all(name in AROUND for name, _, _ in self._open[-3:]):
                # NULs are removed here and not earlier: a browser drops them too, but only after they have opened
                # the body, as any text does.
                decoded = decoded.replace("\0", "")
            is_raw = bool(self._open) and self._open[-1][0] in ("script", "style")
            self._out.append(decoded if is_raw else escape(decoded))

    def _skip_space(self, place: int) -> int:
        match = _SPACE.match(self._html, place)
        return match.end() if match else place


def _is_video(address: str) -> bool:
    """Return whether an iframe's address is on a host that the page allows."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    return parts.scheme == "https" and (parts.hostname or "") in _VIDEO_HOSTS
