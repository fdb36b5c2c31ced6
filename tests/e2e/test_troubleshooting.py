"""In README's "When it does not connect", each row quotes a message that is shown, and its fix helps."""

import json
import re
from pathlib import Path

import pytest

from demo.label_studio import label_studio
from tests import ROOT
from tests.e2e.conftest import ACCOUNT, TOKEN, Serve
from tests.e2e.samples import LABELS
from tests.e2e.steps import config, teach, training, until
from tests.e2e.studio import Studio
from tests.server.service import free_port

pytestmark = pytest.mark.e2e

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### When it does not connect")[2].partition("\n## ")[0]
MESSAGES: list[str] = [
    message
    for seen in re.findall(r"^\| (.*?) \|", SECTION, re.MULTILINE)
    for message in re.findall(r"`([^`]+)`", seen)
]
CONFIG = config(*LABELS)


def message(start: str) -> str:
    """Return the message in README's table that begins with these words."""
    (found,) = [message for message in MESSAGES if message.startswith(start)]
    return found


def test_a_label_studio_with_its_defaults_takes_no_private_address(serve: Serve, tmp_path: Path) -> None:
    """With only the first of the two variables changed, Label Studio saves the backend, but not its webhook."""
    for blocks, webhooks in (("true", None), ("false", 0)):
        environment = {"ML_BLOCK_LOCAL_IP": blocks, "SSRF_PROTECTION_ENABLED": "true"}
        with (
            label_studio(tmp_path, free_port(), **ACCOUNT, **environment) as server,
            Studio(server) as studio,
            serve() as url,
        ):
            project = studio.project("defaults", CONFIG)
            assert message("URL resolves") in json.dumps(project.connect(url, 403))
            backends = studio.ask("GET", f"/api/ml?project={project.id}")
            assert (len(project.webhooks()) if backends else None) == webhooks


def test_wrong_credentials_and_none(studio: Studio, serve: Serve) -> None:
    right = {"basic_auth_user": "label", "basic_auth_pass": "secret"}
    with serve(BASIC_AUTH_USER="label", BASIC_AUTH_PASS="secret") as url:
        project = studio.project("credentials", CONFIG)
        for credentials in ({}, {"auth_method": "BASIC_AUTH", **right, "basic_auth_pass": "wrong"}):
            assert message("Able to connect") in json.dumps(project.connect(url, 400, **credentials))
        project.connect(url, auth_method="BASIC_AUTH", **right)


def test_nothing_answers_there(studio: Studio, serve: Serve) -> None:
    project = studio.project("nobody there", CONFIG)
    assert message("Can't connect") in json.dumps(project.connect(f"http://127.0.0.1:{free_port()}", 400))
    with serve() as url:
        project.connect(url)
    assert project.backend()["state"] == "DI", "the backend is no longer running"


def test_a_webhook_that_is_missing_is_made_again_by_connecting_again(studio: Studio, backend: str) -> None:
    project = studio.project("webhook deleted", CONFIG)
    project.connect(backend)
    (webhook,) = project.webhooks()
    studio.ask("DELETE", f"/api/webhooks/{webhook['id']}/", status=204)
    teach(project, 1)
    assert training(backend, project)["updates"] == 0
    studio.ask("DELETE", f"/api/ml/{project.backend_id}", status=204)
    project.connect(backend)
    teach(project, 1)
    assert training(backend, project)["updates"] == 1


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"LABEL_STUDIO_API_KEY": TOKEN[::-1]}, "does not accept"),
        ({"LABEL_STUDIO_HOST": f"http://127.0.0.1:{free_port()}"}, "does not answer"),
    ],
)
def test_a_training_that_cannot_reach_the_tasks_says_why(
    studio: Studio, serve: Serve, settings: dict[str, str], start: str
) -> None:
    def reason(status: dict[str, dict[str, str]]) -> str:
        return status.get("last", {}).get("reason", "")

    with serve(**{"LABEL_STUDIO_API_KEY": TOKEN, **settings}) as url:
        project = studio.project(start, CONFIG)
        project.connect(url)
        teach(project, 2)
        studio.ask("POST", f"/api/ml/{project.backend_id}/train", {})
        until(lambda: bool(reason(training(url, project))))
        assert message(start) in reason(training(url, project))
