"""Converts regions, as Label Studio stores them, to spans and back."""

import math
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from huggingface_ner.label_studio.documents import Document
from huggingface_ner.label_studio.labeling_config import SpanControl
from huggingface_ner.spans import Span


def read_spans(results: object, controls: Sequence[SpanControl], document: Document) -> list[Span]:
    """Return the spans of the regions that these controls made over a document, in order.

    results: an annotation's or a prediction's ``result``. A region with several labels is several spans; blanks at
    its edges do not count. Ignored are regions of other controls, regions without a label of these, and those that
    select nothing but blanks.
    """
    by_name = {control.name: control for control in controls}
    spans = []
    for region in results if isinstance(results, list) else []:
        if isinstance(region, Mapping) and isinstance(region.get("from_name"), str):
            control = by_name.get(region["from_name"])
            value = region.get("value")
            if control is None or region.get("to_name") != control.object.name or not isinstance(value, Mapping):
                continue
            place = document.offsets(value)
            place = None if place is None else trimmed(document.text, *place)
            if place is not None:
                spans += [Span(*place, label) for label in _labels(value, control)]
    return sorted(spans)


def trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a stretch of a text without the blanks at its edges; None if nothing is left."""
    stretch = text[start:end]
    start += len(stretch) - len(stretch.lstrip())
    end = start + len(stretch.strip())
    return (start, end) if start < end else None


def within_borders(span: Span, document: Document) -> Iterator[Span]:
    """Yield the parts of a span between the borders of its document, without blanks at their edges."""
    borders = document.borders[
        bisect_right(document.borders, span.start) : bisect_left(document.borders, span.end)
    ]
    for start, end in pairwise((span.start, *borders, span.end)):
        part = trimmed(document.text, start, end)
        if part is not None:
            yield Span(*part, span.label, span.score)


def _labels(value: Mapping[str, Any], control: SpanControl) -> Iterator[str]:
    saved = value.get(control.region_type)
    for name in saved if isinstance(saved, list) else []:
        label = control.read_label(name) if isinstance(name, str) else None
        if label is not None:
            yield label


def write_region(span: Span, control: SpanControl, document: Document) -> dict[str, Any] | None:
    """Return a region for a span, complete as strict validation wants it; None if it would select nothing.

    The span's label has to be one of the control's names.
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
