"""The names of versions, which Label Studio shows to people beside each prediction.

An example is ``v7-F1-0.75-120-tasks-20261126-031700-7b16``. The parts are the version's number in its project, its
F1 and the number of its annotated tasks (if they are known), the time in UTC, and random digits in case two
machines publish within the same second. Releases up to 0.2.0 gave names that have only the time and the digits.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

_STAMP = r"(?P<at>\d{8}-\d{6})-[0-9a-f]{4}"
PATTERN = rf"(?:v(?P<number>[1-9]\d{{0,8}})-(?:F1-[01]\.\d\d-)?(?:\d{{1,9}}-tasks?-)?)?{_STAMP}"
_NAME = re.compile(PATTERN)


def is_version_name(text: str) -> bool:
    """Return whether a text is the name of a version."""
    return _NAME.fullmatch(text) is not None


def new_name(known: Collection[str], metrics: Mapping[str, Any], now: datetime) -> str:
    """Return the name of a new version.

    known: the names of all known versions of the project. metrics: the content of the new version's metrics.json.
    now: the time in UTC.
    """
    f1, tasks = metrics.get("f1"), metrics.get("tasks")
    parts = [f"v{_next_number(known)}"]
    if isinstance(f1, float) and 0 <= f1 <= 1:
        parts.append(f"F1-{abs(f1):.2f}")  # abs removes the sign of -0.0
    if isinstance(tasks, int) and 0 <= tasks < 10**9:
        parts.append(f"{tasks}-task{'' if tasks == 1 else 's'}")
    return "-".join([*parts, f"{now:%Y%m%d-%H%M%S}", secrets.token_hex(2)])


def sort_key(name: str) -> tuple[str, int, str]:
    """Return the key by which versions are sorted, the oldest first.

    The time comes before the number, because two machines can give the same number.
    """
    match = _NAME.fullmatch(name)
    return (match["at"], int(match["number"] or 0), name) if match else (name, 0, name)


def number_of(name: str) -> int | None:
    """Return the number of a version in its project; None if its name has no number."""
    match = _NAME.fullmatch(name)
    return int(match["number"]) if match and match["number"] else None


def published_at(name: str) -> float | None:
    """Return the time in a version's name, in seconds since 1970; None if the name is not valid."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match["at"], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _next_number(known: Collection[str]) -> int:
    """Return a number above all known numbers and above the number of versions: older names have no number."""
    numbers = [int(match["number"] or 0) for name in known if (match := _NAME.fullmatch(name))]
    return max([len(numbers), *numbers]) + 1
