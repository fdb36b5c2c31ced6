"""Quotes a span of a text and a few words around it, in a bounded number of characters, for people to read."""

from huggingface_ner.spans import Span

# Maximum numbers of code points of a span, of the text on each side of it, and of a label or an id.
MAX_SPAN = 120
CONTEXT = 60
MAX_LABEL = 100
ELLIPSIS = "…"


def quote(text: str, span: Span) -> dict[str, str]:
    """Return the ``text`` of a span, and the text ``before`` and ``after`` it, all shortened."""
    start, end = max(span.start - CONTEXT, 0), span.end + CONTEXT
    return {
        "before": (ELLIPSIS if start else "") + clean(text[start : span.start], CONTEXT),
        "text": quoted(text, span),
        "after": clean(text[span.end : end], CONTEXT) + (ELLIPSIS if end < len(text) else ""),
    }


def quoted(text: str, span: Span) -> str:
    """Return the text of a span, at most MAX_SPAN code points of it."""
    return clean(text[span.start : span.end], MAX_SPAN)


def name(text: str) -> str:
    """Return a label or an id, at most MAX_LABEL code points of it."""
    return clean(text, MAX_LABEL)


def clean(text: str, most: int) -> str:
    """Shorten a text to at most ``most`` code points, and replace lone surrogates, which UTF-8 cannot encode."""
    cut = text if len(text) <= most else text[: most - 1] + ELLIPSIS
    return cut.encode("utf-8", "replace").decode()
