"""`make pin-images` pins the images, with a stand-in for docker that knows one digest."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.pin_images import FILES
from tests import ROOT

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
DOCKER = f"""#!/bin/sh
echo "$4" >> asked
echo {DIGEST}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*FILES, "Makefile", "scripts/pin_images.py", "scripts/find_python.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def _pin(checkout: Path, docker: str) -> "subprocess.CompletedProcess[str]":
    (checkout / "docker").write_text(docker)
    (checkout / "docker").chmod(0o755)
    environment = {**os.environ, "PATH": f"{checkout}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("MAKEFLAGS", None)
    return subprocess.run(
        ["make", "pin-images"], cwd=checkout, env=environment, check=False, capture_output=True, text=True
    )


def _texts(checkout: Path) -> dict[str, str]:
    return {name: (checkout / name).read_text(encoding="utf-8") for name in FILES}


def test_each_image_of_others_gets_its_digest_and_ours_none(checkout: Path) -> None:
    before = _texts(checkout)
    assert _pin(checkout, DOCKER).returncode == 0
    pinned = _texts(checkout)
    unpinned = {name: re.sub("@sha256:[0-9a-f]{64}", "", text) for name, text in before.items()}
    assert {name: text.replace(f"@{DIGEST}", "") for name, text in pinned.items()} == unpinned
    assert re.match(rf"FROM python:3\.11\S*-slim@{DIGEST}\n", pinned["Dockerfile"])
    assert f"image: redis:8-alpine@{DIGEST}\n" in pinned["deploy/kubernetes/redis/redis.yaml"]
    assert pinned["docker-compose.yml"].count(DIGEST) == 2
    assert "image: huggingface-ner:cpu\n" in pinned["docker-compose.yml"]
    asked = (checkout / "asked").read_text().split()
    assert len(asked) == len(set(asked)) == 3
    assert _pin(checkout, DOCKER).returncode == 0
    assert _texts(checkout) == pinned, "a second run changes nothing"


@pytest.mark.parametrize("docker", ["#!/bin/sh\necho 'no registry' >&2\nexit 1\n", "#!/bin/sh\necho latest\n"])
def test_without_an_answer_nothing_is_changed(checkout: Path, docker: str) -> None:
    before = _texts(checkout)
    ran = _pin(checkout, docker)
    assert ran.returncode
    assert "no image was pinned" in ran.stderr
    assert _texts(checkout) == before
