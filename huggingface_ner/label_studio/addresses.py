"""Addresses of Label Studio's pages, for links."""

from urllib.parse import urlsplit

MAX_LENGTH = 300


def parse_address(address: object) -> str:
    """Return the address that Label Studio reports as its own, without a slash at its end.

    The value comes from outside: anything that is not the address of a web page gives "".
    """
    if not isinstance(address, str) or len(address) > MAX_LENGTH or not address.isprintable() or " " in address:
        return ""
    try:
        parts = urlsplit(address)
        is_page = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        return ""
    return address.rstrip("/") if is_page and not parts.query and not parts.fragment else ""


def project_address(base: str, project_id: int) -> str:
    """Return the address of a project's tasks."""
    return f"{base}/projects/{project_id}/data"


def task_address(base: str, project_id: int, task_id: str) -> str | None:
    """Return the address that opens a task; None if the id is not a whole number."""
    is_id = task_id.isascii() and task_id.isdecimal()
    return f"{project_address(base, project_id)}?task={task_id}" if is_id else None
