"""Converts between code points and UTF-16 code units; browsers count in code units."""

from bisect import bisect_left


class CodeUnits:
    """Converts between a text's code points and its UTF-16 code units; fast for texts of any length."""

    def __init__(self, text: str) -> None:
        self._length = len(text)
        # the positions of the characters that take two units, first in code points, then in units
        self._pairs = [] if text.isascii() else [index for index, char in enumerate(text) if char > "\uffff"]
        self._pair_units = [index + before for before, index in enumerate(self._pairs)]

    def before(self, code_point: int) -> int:
        """Return the number of code units before a code point."""
        return code_point + bisect_left(self._pairs, code_point)

    def code_point(self, units: int) -> int:
        """Return the index of the code point after a number of code units; at most the text's length."""
        return min(max(units - bisect_left(self._pair_units, units), 0), self._length)
