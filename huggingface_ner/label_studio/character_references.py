"""Character references (``&amp;``, ``&#233;``) as htmlparser2 reads them."""

import re
from html.entities import html5

REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]+);?|#([0-9]+);?|([A-Za-z][A-Za-z0-9]{0,31};?))")
# In a title, htmlparser2 looks for the end tag first. So it misses a reference right after text that begins like
# the end tag, such as "</ti&amp;".
TITLE_REFERENCE = re.compile(
    "".join(f"(?<!{'</title'[:length]})" for length in range(1, 8)) + REFERENCE.pattern, re.IGNORECASE
)
STRICT_REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]+);|#([0-9]+);|([A-Za-z][A-Za-z0-9]{0,31};))")
# The characters of Windows-1252 that the numeric references 128 to 159 stand for. Numbers that are not defined
# there stand for their own code points.
_C1 = {
    code: bytes([code]).decode("cp1252") for code in range(128, 160) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def character(reference: re.Match[str]) -> str:
    """Return the text for a character reference, as htmlparser2 reads it; an unknown reference stays as it is."""
    hexadecimal, decimal, name = reference.groups()
    if name is None:
        digits = (hexadecimal or decimal).lstrip("0")[:8] or "0"
        code = int(digits, 16 if hexadecimal else 10)
        if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            return "\ufffd"
        return _C1.get(code) or chr(code)
    length = _known_length(name)
    return html5[name[:length]] + name[length:] if length else reference[0]


def after_references(text: str, reference: re.Pattern[str]) -> int:
    """Return where the last known character reference of a text ends; 0 if there is none."""
    ends = [0]
    for match in reference.finditer(text):
        name = match[3]
        length = len(match[0]) - 1 if name is None else _known_length(name)
        ends += [match.start() + 1 + length] if length else []
    return ends[-1]


def _known_length(name: str) -> int:
    """Return how many characters of a name are the name of a character; 0 if none are."""
    return next((length for length in range(len(name), 1, -1) if name[:length] in html5), 0)
