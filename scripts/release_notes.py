"""Print the notes of a release: its section of the changelog.

    python -m scripts.release_notes VERSION

Fails if pyproject.toml has another version, or if the changelog has no section of that version.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class ReleaseError(Exception):
    """The version cannot be released; the message says why."""


def notes(version: str, changelog: str, project: str) -> str:
    """Return the notes of a version; raises ReleaseError.

    changelog, project: the texts of CHANGELOG.md and pyproject.toml.
    """
    own = tomllib.loads(project)["project"]["version"]
    if own != version:
        raise ReleaseError(f"pyproject.toml has the version {own}, not {version}: set it, and make the tag again")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ReleaseError(f"CHANGELOG.md has no section ## [{version}] - YYYY-MM-DD with notes in it")
    return f"{section[1].strip()}\n"


def main() -> int:
    """Print the notes of the version in the arguments; return the exit status."""
    texts = ((ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "pyproject.toml"))
    try:
        print(notes(sys.argv[1], *texts), end="")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
