import subprocess
from pathlib import Path

import pytest

from scripts import commit_subjects
from scripts.commit_subjects import fault, main


@pytest.mark.parametrize(
    "subject",
    [
        "Address what a second reading found",
        "Process, then pass on, what comes in",
        "Feed the queue",
        "Embed the server",
        "Bring the floors into pyproject.toml",
        "Focus on spans",
        "Pre-load models",
        'Revert "Use the trade\'s own terms"',
        "Add " + "x" * 68,
    ],
)
def test_an_imperative_passes(subject: str) -> None:
    assert fault(subject) is None


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        ("Added a test", "'added'"),
        ("Adds a test", "'adds'"),
        ("Adding a test", "'adding'"),
        ("Agreed on it", "'agreed'"),
        ("Packed rows are attended to by blocks", "'packed'"),
        ("The webhook's credentials go to the backend", "'the'"),
        ("README and .env say who may do what", "begin with a verb"),
        ("bench/README.md: predicting", "begin with a verb"),
        ("Tests: no port is taken twice", "begin with a verb"),
        ("add a test", "capital letter"),
        ("fixup! Add a test", "capital letter"),
        ("Add a test.", "full stop"),
        ("Add " + "x" * 69, "73 characters"),
        ("", "begin with a verb"),
    ],
)
def test_anything_else_does_not(subject: str, wrong: str) -> None:
    assert wrong in str(fault(subject))


def _git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the commit before a commit with a good subject, in the test's current folder, ``repo``."""
    repo = tmp_path / "repo"
    repo.mkdir()
    monkeypatch.chdir(repo)
    _git(repo, "init", "--quiet")
    _git(repo, "commit", "--allow-empty", "-m", "it began")
    before = _git(repo, "rev-parse", "HEAD")
    _git(repo, "commit", "--allow-empty", "-m", "Add a room")
    return before


def test_commits_since_the_base_are_checked(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([base]) == 0
    assert capsys.readouterr().out == "commit subjects: 1 checked, 0 at fault\n"
    _git(Path.cwd(), "commit", "--allow-empty", "-m", "Added a wall")
    assert main([base]) == 1
    shown = capsys.readouterr().out
    assert ": Added a wall\n" in shown
    assert "it began" not in shown


def test_a_shallow_clone_without_the_base_checks_what_is_there(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path}/repo", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    assert main([base]) == 0
    assert "1 checked" in capsys.readouterr().out


def test_without_the_base_or_a_repository_nothing_is_checked(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["0" * 40]) == 0
    assert "not checked" in capsys.readouterr().out
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert main([base]) == 0
    assert "not checked" in capsys.readouterr().out


def test_early_subjects_of_this_project_would_be_found() -> None:
    early = [("1", "One way to read what Redis answers as text"), ("2", "Each row of README's table is provoked")]
    assert len(commit_subjects.check(early)) == 2
