"""`make install` calls pip correctly; a stand-in for Python and pip records the calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# A call with -c checks whether PyTorch's index answers, or which version of Python this is. All others call pip.
PYTHON = """#!/bin/sh
case "$1" in
    -c) exit "$UNREACHABLE" ;;
    *) echo "$@" >> "$NOTES" ;;
esac
"""
# Comes before the real Python on the PATH, like a version manager's command for a version that is not installed.
GONE = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the files that `make install` reads, and a stand-in for the Python of its .venv.

    Stand-ins for nvidia-smi and uname make it look like a Linux machine without a GPU.
    """
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-base.txt"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    _script(folder / ".venv" / "bin" / "python", PYTHON)
    _script(folder / "bin" / "nvidia-smi", GONE)
    _script(folder / "bin" / "uname", "#!/bin/sh\necho Linux\n")
    return folder


def _install(checkout: Path, **environment: str) -> tuple[list[str], str]:
    """Run `make install`; return the calls of pip, a line each, and the output."""
    known = {name: value for name, value in os.environ.items() if name not in ("TORCH_INDEX_URL", "MAKEFLAGS")}
    notes = checkout / "notes"
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "install"],
        cwd=checkout,
        env={**known, "NOTES": str(notes), "UNREACHABLE": "0", "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return notes.read_text().splitlines(), done.stdout + done.stderr


def test_without_a_gpu_the_cpu_wheel_is_taken(checkout: Path) -> None:
    asked, shown = _install(checkout)
    assert f"--no-deps --index-url {CPU_INDEX} torch==" in asked[0]
    assert "no NVIDIA GPU" in shown
    assert "GB on disk" in shown
    assert [line.rpartition("install ")[2] for line in asked[1:]] == [
        "--disable-pip-version-check --quiet -r requirements.txt",
        "--disable-pip-version-check --quiet --no-deps -r requirements-base.txt",
    ]


def test_an_index_that_does_not_answer_is_passed_over(checkout: Path) -> None:
    asked, shown = _install(checkout, UNREACHABLE="1")
    assert not any("--index-url" in line for line in asked)
    assert "does not answer" in shown


def test_with_a_gpu_pips_own_index_is_asked(checkout: Path) -> None:
    _script(checkout / "bin" / "nvidia-smi", "#!/bin/sh\necho 'GPU 0: NVIDIA'\n")
    asked, shown = _install(checkout)
    assert not any("--index-url" in line for line in asked)
    assert "has an NVIDIA GPU" in shown


@pytest.mark.parametrize("index", ["https://example.org/whl", ""])
def test_torch_index_url_decides(checkout: Path, index: str) -> None:
    asked, shown = _install(checkout, TORCH_INDEX_URL=index, UNREACHABLE="1")
    assert (f"--index-url {index} torch==" in asked[0]) == bool(index)
    assert f"from {index or 'pip'}" in shown
    assert "as TORCH_INDEX_URL says" in shown


def test_the_password_of_an_index_is_not_shown(checkout: Path) -> None:
    asked, shown = _install(checkout, TORCH_INDEX_URL="https://user:p4ss@example.org/whl")
    assert "--index-url https://user:p4ss@example.org/whl torch==" in asked[0]
    assert "from https://***@example.org/whl" in shown
    assert "p4ss" not in shown


def _find_python(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with a PATH that contains only this folder and the few commands that the script needs."""
    for name in ("sh", "tail"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / "find_python.sh")],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["python3.13", "python3"])
def test_a_python_is_found_by_any_name(tmp_path: Path, name: str) -> None:
    _script(tmp_path / "python3.11", GONE)
    _script(tmp_path / name, "#!/bin/sh\nexit 0\n")
    assert _find_python(tmp_path).stdout == f"{name}\n"


def test_without_a_python_that_is_supported_it_is_said_what_is_there(tmp_path: Path) -> None:
    _script(tmp_path / "python3", "#!/bin/sh\necho 'is 3.9' >&2\nexit 1\n")
    found = _find_python(tmp_path)
    assert found.returncode == 1
    assert "No Python 3.11, 3.12 or 3.13 found" in found.stderr
    assert "python3: is 3.9" in found.stderr
