"""Short quotes of texts for people: a span and a few words around it, in a bounded number of characters."""

from huggingface_ner.spans import Span

# Code points that are kept of a span, of the text on each side of it, and of a label or an id.
MAX_SPAN = 120
CONTEXT = 60
MAX_LABEL = 100
ELLIPSIS = "…"


def quote(text: str, span: Span) -> dict[str, str]:
    """Return a span as ``text``, and what is ``before`` and ``after`` it."""
    start, end = max(span.start - CONTEXT, 0), span.end + CONTEXT
    return {
        "before": (ELLIPSIS if start else "") + clean(text[start : span.start], CONTEXT),
        "text": quoted(text, span),
        "after": clean(text[span.end : end], CONTEXT) + (ELLIPSIS if end < len(text) else ""),
    }


def quoted(text: str, span: Span) -> str:
    """Return the characters of a span."""
    return clean(text[span.start : span.end], MAX_SPAN)


def name(text: str) -> str:
    """Return a label or an id."""
    return clean(text, MAX_LABEL)


def clean(text: str, most: int) -> str:
    """Return a text of bounded length that can be written as UTF-8, which lone surrogates cannot."""
    cut = text if len(text) <= most else text[: most - 1] + ELLIPSIS
    return cut.encode("utf-8", "replace").decode()
