"""Reads the ids of Label Studio's projects."""

import re

# An id is "<id>.<created at>" in /setup and /predict, and a number in webhooks; the largest is 2**31 - 1.
_PROJECT_ID = re.compile(r"([1-9][0-9]{0,9})(?:\.[0-9]*)?", re.ASCII)


def parse_project_id(project: object) -> int | None:
    """Return a project's number; None for anything else: the value comes from outside."""
    if isinstance(project, bool) or not isinstance(project, int | str):
        return None
    match = _PROJECT_ID.fullmatch(str(project))
    number = int(match[1]) if match else 0
    return number if 0 < number < 2**31 else None
