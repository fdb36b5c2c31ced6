"""Texts whose characters are hard to count, and the entities that the lexicon model finds in them."""

LABELS = ("PER", "LOC")

# The text has family emoji, flags, combining accents, CRLF, blank lines, blanks at the edges, and markup.
TEXT = (
    "  👨‍👩‍👧 Ada Lovelace met Jose\u0301 in Zürich.\r\n\r\n"
    "🇺🇸 <b>São Paulo</b> &amp; Lyon\t😀\r\nNext line: Ada Lovelace, Lyon \n"
)
FOUND = [
    ("Ada Lovelace", "PER"),
    ("Jose\u0301", "PER"),
    ("Zürich", "LOC"),
    ("São Paulo", "LOC"),
    ("Lyon", "LOC"),
    ("Ada Lovelace", "PER"),
    ("Lyon", "LOC"),
]
HTML = (
    "<div><p>😀 Hello <b>Ada Lovelace</b>!</p>\r\n"
    "  <p>Zürich 😀 &amp; <i>Lyon</i><br>and São Paulo 🇺🇸 Jose\u0301</p></div>"
)
FOUND_IN_HTML = [
    ("Ada Lovelace", "PER"),
    ("Zürich", "LOC"),
    ("Lyon", "LOC"),
    ("São Paulo", "LOC"),
    ("Jose\u0301", "PER"),
]
DIALOGUE = [
    {"author": "A", "text": "😀 Ada Lovelace is here."},
    {"author": "B", "text": "No, 👨‍👩‍👧 in Zürich,\nor in São Paulo, Jose\u0301."},
]
FOUND_IN_DIALOGUE = [
    [("Ada Lovelace", "PER")],
    [("Zürich", "LOC"), ("São Paulo", "LOC"), ("Jose\u0301", "PER")],
]
