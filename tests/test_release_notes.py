"""The notes of a release are the section of its version in the changelog."""

import subprocess
import sys

import pytest

from scripts.release_notes import ReleaseError, notes
from tests import ROOT

PROJECT = '[project]\nversion = "1.2.3"\n'
CHANGELOG = """# Changelog

## [Unreleased]

- later

## [1.2.3] - 2026-01-31

### Added

- this

## [1.2.2] - 2026-01-30

- earlier
"""


def test_the_notes_are_the_versions_own() -> None:
    assert notes("1.2.3", CHANGELOG, PROJECT) == "### Added\n\n- this\n"


def test_the_last_section_ends_with_the_file() -> None:
    assert notes("1.2.2", CHANGELOG, PROJECT.replace("1.2.3", "1.2.2")) == "- earlier\n"


@pytest.mark.parametrize(
    ("version", "changelog", "message"),
    [
        ("1.2.4", CHANGELOG, "has the version 1.2.3, not 1.2.4"),
        ("1.2.3", CHANGELOG.replace("[1.2.3]", "[1.2x3]"), "no section"),
        ("1.2.3", CHANGELOG.replace("### Added\n\n- this\n", ""), "no section"),
        ("1.2.3", CHANGELOG.replace(" - 2026-01-31", ""), "no section"),
    ],
)
def test_what_is_not_ready_is_refused(version: str, changelog: str, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        notes(version, changelog, PROJECT)


def test_another_version_than_ours_fails() -> None:
    command = [sys.executable, "-m", "scripts.release_notes", "0.0.0"]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "not 0.0.0" in ran.stderr
