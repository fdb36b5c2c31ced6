"""What an annotator sees of one object of a task, and how its regions say where they are.

Inside the house a place is a code point of ``Document.text``. Only this module and hypertext.py know the units of
each tag: Text counts code points, Paragraphs and the XPath offsets of HyperText count UTF-16 code units.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Protocol

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.labeling_config import TextObject
from huggingface_ner.label_studio.utf16 import CodeUnits


class UnreadableTextError(HuggingFaceNERError):
    """A value of a task's data that is no text for its object tag; the message says what it is and should be."""


class Document(Protocol):
    """The text of one object of one task, and the way from its code points to region values and back."""

    @property
    def text(self) -> str:
        """What the model reads; offsets are code points of it, half-open."""

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """Return a region's value, without its labels; None where nothing of the stretch can be selected."""

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the stretch that a region's value selects; None where it selects nothing."""


def open_document(text_object: TextObject, value: object) -> Document:
    """Open the value that a task's data (or, for a URL, its address) has for an object.

    Raises UnreadableTextError for what is no text; an empty string is a text.
    """
    if text_object.tag == "Paragraphs":
        return ParagraphsDocument(_paragraphs(value, text_object.text_key))
    if not isinstance(value, str):
        raise UnreadableTextError(f"{text_object.data_key}: a text is needed, not {_kind(value)}")
    return HyperTextDocument(value) if text_object.tag == "HyperText" else TextDocument(value)


class TextDocument:
    """``<Text>``: code points of the value as it is, CRLF and all."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """See Document."""
        return {"start": start, "end": end, "text": self.text[start:end]}

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """See Document."""
        return checked(whole_number(value.get("start")), whole_number(value.get("end")), len(self.text))


class ParagraphsDocument:
    """``<Paragraphs>``: the paragraphs' texts, joined by line breaks."""

    def __init__(self, paragraphs: list[str]) -> None:
        self.text = "\n".join(paragraphs)
        self._units = [CodeUnits(paragraph) for paragraph in paragraphs]
        self._starts = [0]
        for paragraph in paragraphs[:-1]:
            self._starts.append(self._starts[-1] + len(paragraph) + 1)

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """See Document."""
        if not self._units:
            return None
        first, last = self._paragraph_at(start), self._paragraph_at(end - 1)
        return {
            "start": str(first),
            "end": str(last),
            "startOffset": self._units[first].before(start - self._starts[first]),
            "endOffset": self._units[last].before(end - self._starts[last]),
            "text": self.text[start:end],
        }

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """See Document."""
        start = self._offset(value.get("start"), value.get("startOffset"))
        return checked(start, self._offset(value.get("end"), value.get("endOffset")), len(self.text))

    def _paragraph_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def _offset(self, index: object, units: object) -> int | None:
        # the page writes the index as a string
        paragraph = int(index) if isinstance(index, str) and index.isdecimal() else whole_number(index)
        offset = whole_number(units)
        if paragraph is None or offset is None or not 0 <= paragraph < len(self._units):
            return None
        return self._starts[paragraph] + self._units[paragraph].code_point(offset)


def checked(start: int | None, end: int | None, length: int) -> tuple[int, int] | None:
    """Return a stretch clipped to a text of that length; None where nothing of it is left."""
    if start is None or end is None:
        return None
    start, end = max(start, 0), min(end, length)
    return (start, end) if start < end else None


def whole_number(value: object) -> int | None:
    """Return an offset as Label Studio lets clients write it: 3 or 3.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _paragraphs(value: object, text_key: str) -> list[str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise UnreadableTextError("paragraphs: a list of objects is needed, not a text") from None
    if not isinstance(value, list):
        raise UnreadableTextError(f"paragraphs: a list of objects is needed, not {_kind(value)}")
    texts = [paragraph.get(text_key) if isinstance(paragraph, dict) else paragraph for paragraph in value]
    return [text if isinstance(text, str) else "" for text in texts]


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
