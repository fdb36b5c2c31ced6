"""The text that an annotator sees for one object of a task, and the places of regions in this text.

Elsewhere in the package, offsets are code points of ``Document.text``. Only this module, paragraphs.py and
hypertext.py know the units of each tag: Text counts code points, Paragraphs and the XPath offsets of HyperText
count UTF-16 code units.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from huggingface_ner.label_studio.controls import TextObject
from huggingface_ner.label_studio.hypertext import HyperTextDocument
from huggingface_ner.label_studio.page_values import MISSING, UnreadableTextError, as_text, decode
from huggingface_ner.label_studio.paragraphs import ParagraphsDocument, read_utterances
from huggingface_ner.label_studio.places import checked, whole_number

__all__ = ["Document", "TextDocument", "UnreadableTextError", "open_document"]


class Document(Protocol):
    """The text of one object of one task, with conversions of its code points to region values and back."""

    @property
    def text(self) -> str:
        """The text that the model reads; offsets are its code points, half-open."""

    @property
    def borders(self) -> tuple[int, ...]:
        """The offsets at which utterances or blocks begin, in order, except the first.

        No suggestion crosses one of them.
        """

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """Return a region's value, without its labels; None if nothing of the stretch can be selected."""

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the stretch that a region's value selects; None if it selects nothing."""


def open_document(text_object: TextObject, value: object) -> Document:
    """Open an object's value.

    value: the value from the task's data or, if it is a URL, the text behind the URL.
    Raises UnreadableTextError if the page cannot show the value; an empty string is a valid text.
    """
    if value is MISSING:
        raise UnreadableTextError(f"{text_object.data_key}: the task's data has no such key")
    if text_object.tag == "Paragraphs":
        return ParagraphsDocument(read_utterances(value, text_object.text_key, is_sorted=text_object.is_sorted))
    text = decode("" if value is None else as_text(value), text_object.encoding)
    return (
        HyperTextDocument(text, inline=text_object.inline)
        if text_object.tag == "HyperText"
        else TextDocument(text)
    )


class TextDocument:
    """``<Text>``: code points of the value, in which each CR and each LF is a separate line break.

    The page's HTML parser drops NUL characters, so they are not counted.
    """

    borders: tuple[int, ...] = ()

    def __init__(self, text: str) -> None:
        self.text = text.replace("\0", "")

    def value(self, start: int, end: int) -> dict[str, Any] | None:
        """See Document."""
        return {"start": start, "end": end, "text": self.text[start:end]}

    def offsets(self, value: Mapping[str, Any]) -> tuple[int, int] | None:
        """See Document."""
        return checked(whole_number(value.get("start")), whole_number(value.get("end")), len(self.text))
