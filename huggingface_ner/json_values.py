"""Reads JSON values that may be of any type, because another program or a person wrote them."""

import json
from collections.abc import Mapping
from typing import Any

MAX_DIGITS = 20


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a JSON object; otherwise {}."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the JSON objects in a list, without its other elements; [] if the value is not a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def whole_number_or_zero(value: object) -> int:
    """Return the value if it is a whole number; otherwise 0.

    ``true`` also gives 0, although bool is a subclass of int in Python.
    """
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read_json(content: bytes | str) -> Any:
    """Parse JSON in which every whole number is a count, a time or an id; raises ValueError.

    A larger number is an error too. Python would read it, but fail later to compute with it.
    """
    return json.loads(content, parse_int=_whole_number)


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)
