"""The command line pushes versions to a stand-in for the Hub, with huggingface_hub."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from huggingface_ner.exports.exported_model import exported_files
from huggingface_ner.exports.hub import PushError, check_repository
from huggingface_ner.exports.model_card import CardOptions
from huggingface_ner.store.versions import Version
from tests import ROOT
from tests.exports.hub_stand_in import TOKEN, Hub, serve_hub
from tests.exports.versions import SECRET, publish
from tests.server.service import free_port

Push = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as hub:
        yield hub


@pytest.fixture
def version(tiny_bert: Path, tmp_path: Path) -> Version:
    return publish(tmp_path / "finetuned_model", tiny_bert)


@pytest.fixture
def push(version: Version, hub: Hub, tmp_path: Path) -> Push:
    """Return a function that pushes the version.

    It uses a separate process, because huggingface_hub reads HF_ENDPOINT when it is imported.
    """

    def run(*options: str, repository: str = "me/model", **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": TOKEN,
            # the stand-in knows only LFS as a way to store large files
            "HF_HUB_DISABLE_XET": "1",
            "MODEL_DIR": str(tmp_path),
            **more,
        }
        command = [sys.executable, "-m", "huggingface_ner", "versions", "push", version.name, repository, *options]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_version_is_pushed_as_it_is_exported(push: Push, hub: Hub, version: Version) -> None:
    pushed = push("--license", "mit", "--language", "de", "--language", "en")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout == f"{hub.url}/me/model: {version.name} is pushed\n"
    files = exported_files(version, CardOptions("me/model", "mit", ("de", "en")))
    assert hub.files == {
        f"me/model/{name}": one if isinstance(one, bytes) else one.read_bytes() for name, one in files.items()
    }
    assert (hub.private, hub.commits, hub.unknown) == ({"me/model": True}, [f"Add version {version.name}"], [])
    assert not any(SECRET.encode() in content for content in hub.files.values())
    assert push("--public", MODEL_LICENSE="gpl-3.0").returncode == 0
    assert hub.private == {"me/model": True}, "an existing repository stays private"
    assert len(hub.commits) == 2
    assert b"license: gpl-3.0" in hub.files["me/model/README.md"]


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        ({}, {"HF_TOKEN": ""}, "HF_TOKEN is not set"),
        ({}, {"HF_TOKEN": "hf_wrong"}, "me/model: the Hub answers HTTP 401: HF_TOKEN needs write access to it"),
        ({}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({}, {"HF_ENDPOINT": f"http://127.0.0.1:{free_port()}"}, "me/model: not pushed to http://127.0.0.1:"),
        ({"repository": "model"}, {}, "model: not a repository; write USER/NAME"),
        ({"repository": "me/../x"}, {}, "not a repository"),
        ({"repository": "me/-x-.git"}, {}, "me/-x-.git: "),
    ],
)
def test_the_reason_why_a_push_fails_is_one_sentence(
    push: Push, hub: Hub, options: dict[str, str], environment: dict[str, str], reason: str
) -> None:
    refused = push(**options, **environment)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert TOKEN not in refused.stderr
    assert not hub.files


def test_offline_nothing_is_pushed() -> None:
    with pytest.raises(PushError, match="HF_HUB_OFFLINE"):
        check_repository("me/model")
