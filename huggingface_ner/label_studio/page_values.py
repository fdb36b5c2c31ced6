"""Values of a task's data as Label Studio's page reads and shows them, by JavaScript's rules."""

import base64
import json
import math
import re
from collections.abc import Mapping

from huggingface_ner.errors import HuggingFaceNERError

ENCODINGS = ("none", "base64", "base64unicode")
# The page's own pattern of a variable. It takes a full stop after the name as a part of the name.
_ONE_VARIABLE = re.compile(r"\$[A-Za-z0-9_\[\].{}]+")
# A variable among words. Here a full stop after the name is kept as text. The page would drop it.
_VARIABLE = re.compile(r"\$(?:[A-Za-z0-9_\[\].{}]*[A-Za-z0-9_\[\]{}]|\.+)")
# A step of a path: a name, or anything in brackets. The last bracket need not be closed.
_STEP = re.compile(r"\[([^\]]*)\]|\[([^\]]+)$|([^.\[]+)")
# JavaScript's largest exact integer. The page keeps larger numbers as they are written in its JSON.
_MAX_SAFE_INTEGER = 2**53 - 1
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# What JavaScript removes from both ends of a text that it reads as a number.
_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_SPACES = re.compile(r"[\t\n\f\r ]+")
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_WITH_BASE = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


class _Missing:
    """A value that is not in the data: JavaScript's undefined."""


MISSING = _Missing()


class UnreadableTextError(HuggingFaceNERError):
    """A value of a task's data that cannot be read as its object tag's text; the message says what is wrong."""


def has_variable(template: str) -> bool:
    """Return whether an object tag's ``value`` attribute has a variable; without one, all tasks show the same."""
    return _VARIABLE.search(template) is not None


def fill_in(template: str, data: object) -> object:
    """Return the value that an object tag's ``value`` attribute stands for in a task.

    A template that is a single variable gives that variable's value, of any type, or MISSING if the data has none.
    A template with several variables, or with words around one, gives a text.
    """
    if _ONE_VARIABLE.fullmatch(template):
        return look_up(data, template[1:])
    return _VARIABLE.sub(lambda match: as_text(look_up(data, match[0][1:])), template)


def look_up(data: object, key: str) -> object:
    """Return the value at a key of a task's data, or at a path ("a.b", "a[0].b") if there is no such key.

    If there is no such path either, the value is MISSING.
    """
    if isinstance(data, Mapping) and key in data:
        return data[key]
    value = data
    steps = _steps(key)
    for step in steps:
        value = _property(value, step)
        if value is MISSING:
            return MISSING
    return value if steps else MISSING


def _steps(key: str) -> list[str]:
    """Return the steps of a path as the page reads it: a, b and 0 for "a.b[0]."."""
    if not set(key) & set(".[]"):
        return [key]
    opening = [""] if key.startswith(".") else []
    return opening + ["".join(found) for found in _STEP.findall(key)]


def _property(value: object, name: str) -> object:
    """Return a property of a value as JavaScript does: the value of a key, an item, a character or the length."""
    if isinstance(value, Mapping):
        return value.get(name, MISSING)
    if isinstance(value, int | float) and _is_kept_as_written(value):
        value = _number(value)
    if not isinstance(value, str | list):
        return MISSING
    # a text's characters are UTF-16 code units
    units = value.encode("utf-16-le", "surrogatepass") if isinstance(value, str) else None
    length = len(value) if units is None else len(units) // 2
    if name == "length":
        return length
    if not _INDEX.fullmatch(name) or int(name) >= length:
        return MISSING
    at = int(name)
    return value[at] if units is None else units[2 * at : 2 * at + 2].decode("utf-16-le", "surrogatepass")


def as_text(value: object) -> str:
    """Return a value as JavaScript's ``String(value)`` does."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join("" if item is None else as_text(item) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    if isinstance(value, Mapping):
        return "[object Object]"
    return "undefined" if value is MISSING else json.dumps(value)


def as_number(value: object) -> float:
    """Return a value as JavaScript's ``Number(value)`` does; NaN if it is not a number."""
    if value is MISSING or isinstance(value, Mapping):
        return math.nan
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    text = "" if value is None else as_text(value).strip(_BLANKS)
    if _WITH_BASE.fullmatch(text):
        return as_number(int(text, 0))
    return float(text or 0) if not text or _DECIMAL.fullmatch(text) else math.nan


def is_true(value: object) -> bool:
    """Return whether JavaScript takes a value as true: any but undefined, null, false, 0, NaN and ""."""
    if isinstance(value, str | bool | int | float):
        return bool(value) and value == value  # noqa: PLR0124 - NaN is not equal to itself
    return value is not None and value is not MISSING


def decode(text: str, encoding: str) -> str:
    """Decode a text; raises UnreadableTextError if it is not in that encoding.

    base64 gives one character for each byte, as the browser's atob does; base64unicode reads the bytes as UTF-8.
    """
    if encoding == "none":
        return text
    packed = _SPACES.sub("", text)
    if len(packed) % 4 == 0:
        packed = packed[:-2] if packed.endswith("==") else packed.removesuffix("=")
    try:
        if "=" in packed:
            raise ValueError("padding that is not at the end")
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        return content.decode("latin-1" if encoding == "base64" else "utf-8")
    except ValueError as error:
        raise UnreadableTextError(f"the text is not valid for encoding={encoding}") from error


def _is_kept_as_written(number: float) -> bool:
    """Return whether the page keeps a number as the text that is written in its JSON."""
    return abs(number) > _MAX_SAFE_INTEGER and abs(number) != math.inf


def _number(number: float) -> str:
    if _is_kept_as_written(number):
        return json.dumps(number)
    value = float(number)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        shown = digits.ljust(point, "0")
        return sign + shown[:point] + (f".{shown[point:]}" if len(digits) > point else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{point - 1:+d}"
    return sign + digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "") + power
