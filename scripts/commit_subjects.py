"""Check that the subjects of the commits since a base are imperative and have at most 72 characters.

    python -m scripts.commit_subjects BASE

BASE itself, earlier commits and merges are not checked. In a shallow clone without BASE, all existing commits are
checked. In any other clone without BASE, no commits are checked, and a line says so.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence

MAX_LENGTH = 72

# Words that do not begin an imperative. Early subjects of this project began with some of them.
NO_VERBS = """
    a all an and another any both each every everything here how it its more most new no not nothing now of on one
    only other our some such that the their then there these they this those three two what when where who with
"""
# Verbs whose base form looks like a third person, a past tense or a participle.
BASE_FORMS = "alias bias canvas focus embed shed shred wed bring ping ring sing string swing"
PAST_IN_EED = "agreed decreed disagreed freed guaranteed"


def fault(subject: str) -> str | None:
    """Return what is wrong with a subject, or None if it is right."""
    if len(subject) > MAX_LENGTH:
        return f"{len(subject)} characters; at most {MAX_LENGTH}"
    if subject.endswith("."):
        return "ends with a full stop"
    if not re.match(r"[A-Z][a-z]+(-[a-z]+)*(?![\w:./-])", subject):
        return "begin with a verb, with a capital letter"
    first = subject.split(maxsplit=1)[0].strip(",;").lower()
    if first in NO_VERBS.split() or (first not in BASE_FORMS.split() and _is_inflected(first)):
        return f"begin with a verb in the imperative (Add, not Added, Adds or Adding), not with {first!r}"
    return None


def _is_inflected(word: str) -> bool:
    if word.endswith("eed"):
        return word in PAST_IN_EED.split()
    if word.endswith("s"):
        return not word.endswith("ss")
    return word.endswith(("ed", "ing"))


def check(commits: Iterable[tuple[str, str]]) -> list[str]:
    """Return a message for each commit whose subject is wrong. commits: pairs (hash, subject)."""
    return [f"{commit}: {subject}\n  {wrong}" for commit, subject in commits if (wrong := fault(subject))]


def _git(*arguments: str) -> str | None:
    """Return the output of a git command, or None if the command fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - fixed
    return done.stdout.strip() if done.returncode == 0 else None


def _revisions(base: str) -> list[str] | None:
    """Return the arguments with which `git log` lists the commits since the base, or None if it is unknown."""
    if _git("rev-parse", "--verify", "--quiet", "HEAD") is None:
        return None
    if _git("merge-base", "--is-ancestor", base, "HEAD") is not None:
        return [f"{base}..HEAD"]
    return ["HEAD"] if _git("rev-parse", "--is-shallow-repository") == "true" else None


def main(arguments: Sequence[str]) -> int:
    """Print the wrong subjects; return 1 if there are any, else 0."""
    (base,) = arguments
    revisions = _revisions(base)
    if revisions is None:
        print(f"commit subjects: not checked, because there is no history since {base[:7]}")
        return 0
    log = _git("log", "--no-merges", "--format=%h %s", *revisions) or ""
    commits = [(line.partition(" ")[0], line.partition(" ")[2]) for line in log.splitlines()]
    faults = check(commits)
    print("\n".join([*faults, f"commit subjects: {len(commits)} checked, {len(faults)} at fault"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
