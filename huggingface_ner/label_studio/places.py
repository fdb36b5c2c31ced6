"""Checks and reads the offsets in regions."""


def checked(start: int | None, end: int | None, length: int) -> tuple[int, int] | None:
    """Return a stretch clipped to a text of the given length; None if nothing of it is left."""
    if start is None or end is None:
        return None
    start, end = max(start, 0), min(end, length)
    return (start, end) if start < end else None


def whole_number(value: object) -> int | None:
    """Return an offset that is written as 3 or 3.0, both of which Label Studio accepts; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
