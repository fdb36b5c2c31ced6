"""Reads values of JSON that may be of any type, because somebody else wrote or edited them."""

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object of JSON; {} if the value is none."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the objects in a list; [] if the value is no list. Other elements are left out."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def count(value: object) -> int:
    """Return a whole number; 0 if the value is none, such as true, which Python takes for 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
