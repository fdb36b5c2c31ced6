"""Converts regions, as Label Studio stores them, to spans and back."""

import math
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from huggingface_ner.label_studio.controls import REGION_TYPES, SpanControl
from huggingface_ner.label_studio.documents import Document
from huggingface_ner.label_studio.places import whole_number
from huggingface_ner.left_out import LeftOut, ReadingReason
from huggingface_ner.spans import Span, cut_at, trimmed

# A number with this many digits or more is not an utterance's index.
MAX_DIGITS = 10


def read_spans(
    results: object, controls: Sequence[SpanControl], document: Document, left_out: LeftOut | None = None
) -> list[Span]:
    """Return the spans of the regions that these controls made over a document, in order.

    results: an annotation's or a prediction's ``result``. A region with several labels gives several spans. The
    label of a span is the name under which a model learns the region's label, see layers.py.
    Blanks at the edges of a region are left off. A region is ignored if it belongs to another control, has no
    label of these controls, or selects only blanks.
    left_out: counts the regions of these controls, and those of them that are ignored.
    """
    left_out = LeftOut() if left_out is None else left_out
    by_name = {control.name: control for control in controls}
    spans: list[Span] = []
    for region in results if isinstance(results, list) else []:
        if isinstance(region, Mapping) and isinstance(region.get("from_name"), str):
            control = by_name.get(region["from_name"])
            if control is not None and region.get("to_name") == control.object.name:
                spans += _spans(region.get("value"), control, document, left_out)
    return sorted(spans)


def count_unread(
    results: object, controls: Sequence[SpanControl], opened: Collection[str], left_out: LeftOut
) -> None:
    """Count the regions of an annotation that ``read_spans`` never reads.

    controls: all controls that label text in the task. opened: the names of their objects whose text can be read.
    Regions of tags that do not label spans are not counted.
    """
    known = {(control.name, control.object.name) for control in controls}
    for region in results if isinstance(results, list) else []:
        value = region.get("value") if isinstance(region, Mapping) else None
        region_type = _region_type(value)
        if region_type is None:
            continue
        names = region.get("from_name"), region.get("to_name")
        is_known = all(isinstance(name, str) for name in names) and names in known
        if is_known and names[1] in opened:
            continue
        for label in _saved_labels(value, region_type):
            left_out.regions_seen += 1
            left_out.add("no_text" if is_known or not opened else "unknown_control", label)


def _spans(value: object, control: SpanControl, document: Document, left_out: LeftOut) -> Iterator[Span]:
    place = _place(value, document)
    for saved in _saved_labels(value, control.region_type):
        left_out.regions_seen += 1
        name = control.read_label(saved) if isinstance(saved, str) else None
        label = None if name is None else control.learned_name(name)
        if saved is None:
            left_out.add("no_label", None)
        elif label is None:
            left_out.add("unknown_label", saved)
        elif isinstance(place, str):
            left_out.add(place, label)
        else:
            span = Span(*place, label)
            if next(cut_at(span, document.borders, document.text)) != span:
                left_out.add("crosses_border", label)
            yield span


def _region_type(value: object) -> str | None:
    """Return the type of a region with this value; None if the region is not from a control that labels spans."""
    if not isinstance(value, Mapping):
        return None
    return next((region_type for region_type in REGION_TYPES.values() if region_type in value), None)


def _saved_labels(value: object, region_type: str) -> list[object]:
    """Return the labels of a region as they are saved; [None] if it has none."""
    saved = value.get(region_type) if isinstance(value, Mapping) else None
    return saved if isinstance(saved, list) and saved else [None]


def _place(value: object, document: Document) -> tuple[int, int] | ReadingReason:
    """Return the stretch of a document that a region selects, or why there is none."""
    if not isinstance(value, Mapping):
        return "unreadable_place"
    place = document.offsets(value)
    return _why_no_place(value) if place is None else trimmed(document.text, *place) or "blank"


def _why_no_place(value: Mapping[str, Any]) -> ReadingReason:
    counted = value.get("globalOffsets")
    if isinstance(counted, Mapping) and not value.get("start"):
        value = counted  # a region of HyperText without XPaths
    same = all(value.get(f"start{unit}") == value.get(f"end{unit}") for unit in ("", "Offset"))
    if same and value.get("start") is not None:
        return "nothing_selected"
    start, end = _edge(value, "start"), _edge(value, "end")
    if start is None or end is None:
        return "unreadable_place"
    return "outside_text" if start < end else "nothing_selected"


def _edge(value: Mapping[str, Any], name: str) -> tuple[int, int] | None:
    """Return an edge of a region as numbers that can be compared; None if it is not written in numbers."""
    where, offset = value.get(name), whole_number(value.get(f"{name}Offset"))
    # the index of an utterance is a string, the offset in a plain text is not
    is_index = offset is not None and isinstance(where, str) and where.isdecimal() and len(where) < MAX_DIGITS
    number = int(where) if is_index and isinstance(where, str) else whole_number(where)
    return None if number is None else (number, offset or 0)


def write_region(span: Span, control: SpanControl, document: Document) -> dict[str, Any] | None:
    """Return a region for a span, with all fields that strict validation requires; None if it selects nothing.

    The span's label has to be one of the control's label names.
    """
    if not 0 <= span.start < span.end <= len(document.text):
        return None
    value = document.value(span.start, span.end)
    if value is None:
        return None
    return {
        # the page treats two regions with the same id as one
        "id": secrets.token_urlsafe(8),
        "from_name": control.name,
        "to_name": control.object.name,
        "type": control.region_type,
        "origin": "prediction",
        "score": min(max(span.score, 0.0), 1.0) if math.isfinite(span.score) else 0.0,
        "value": {**value, control.region_type: [span.label]},
    }
