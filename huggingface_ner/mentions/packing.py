"""Packs annotation entries into the bytes that Redis stores, and unpacks them."""

import json
import zlib
from collections.abc import Sequence
from typing import Any, TypeGuard

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.annotation_entries import (
    MAX_TEXT_CHARACTERS,
    AnnotationEntry,
    EntryText,
    Mention,
)

# Upper bound on the total characters of an entry's texts; further texts are left out.
MAX_ENTRY_CHARACTERS = 4 * MAX_TEXT_CHARACTERS
# Upper bound on the bytes of an unpacked entry. A character takes up to 12 bytes: two JSON escapes.
MAX_UNPACKED_BYTES = 20 * MAX_ENTRY_CHARACTERS
# Upper bound on the mentions of a text; further mentions are left out.
MAX_MENTIONS = 10_000
_GROUND_TRUTH, _CANCELLED = 1, 2


class UnreadableEntryError(HuggingFaceNERError):
    """The bytes are not a packed entry."""


def pack(entry: AnnotationEntry) -> bytes:
    """Return an entry as compressed JSON; texts that would make it too long are left out."""
    texts: list[list[Any]] = []
    room = MAX_ENTRY_CHARACTERS
    for text in entry.texts:
        room -= len(text.text)
        if room < 0:
            break
        layers = {layer: number for number, layer in enumerate(text.layers)}
        mentions = [
            [start, end, layers[layer], label] for start, end, layer, label in text.mentions[:MAX_MENTIONS]
        ]
        texts.append([text.text, text.layers, mentions])
    flags = _GROUND_TRUTH * entry.is_ground_truth + _CANCELLED * entry.is_cancelled
    # ASCII, because a text may have lone surrogates
    fields = [entry.task_id, entry.updated_at, flags, texts, entry.annotator]
    written = json.dumps(fields, separators=(",", ":"))
    return zlib.compress(written.encode("ascii"))


def unpack(annotation_id: int, packed: bytes) -> AnnotationEntry:
    """Return the entry of an annotation; raises UnreadableEntryError if the bytes are not a valid entry."""
    try:
        written = zlib.decompressobj().decompress(packed, MAX_UNPACKED_BYTES)
        # release 0.2.0 stored no entries, but entries stored between it and the next release may lack an annotator
        task_id, updated_at, flags, texts, *annotators = json.loads(written)
        if not (_is_number(task_id) and _is_number(updated_at) and _is_number(flags)):
            raise TypeError("a number is missing")
        annotator = annotators[0] if annotators else None
        if len(annotators) > 1 or not (annotator is None or _is_number(annotator)):
            raise TypeError("not an annotator")
        return AnnotationEntry(
            annotation_id,
            task_id,
            updated_at,
            bool(flags & _GROUND_TRUTH),
            bool(flags & _CANCELLED),
            tuple(_text(*text) for text in texts),
            annotator,
        )
    except (ValueError, TypeError, IndexError, RecursionError, zlib.error) as error:
        raise UnreadableEntryError(f"annotation {annotation_id}: {type(error).__name__}") from error


def _text(text: object, layers: object, mentions: object) -> EntryText:
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARACTERS:
        raise TypeError("not a text")
    if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
        raise TypeError("not a list of layers")
    if not isinstance(mentions, list) or len(mentions) > MAX_MENTIONS:
        raise TypeError("not a list of mentions")
    return EntryText(text, tuple(layers), tuple(_mention(text, layers, mention) for mention in mentions))


def _mention(text: str, layers: list[str], mention: Sequence[object]) -> Mention:
    start, end, layer, label = mention
    if not (_is_number(start) and _is_number(end) and _is_number(layer) and isinstance(label, str)):
        raise TypeError("not a mention")
    if not 0 <= start < end <= len(text):
        raise ValueError("outside the text")
    return Mention(start, end, layers[layer], label)


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
