"""Who may download a version, and what the download contains."""

import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import lxml.html
import pytest
from flask import Flask
from pydantic import SecretStr

from huggingface_ner.exports.exported_model import exported_files, zip_pieces
from huggingface_ner.exports.model_card import CardOptions
from huggingface_ner.server.app import create_app
from huggingface_ner.server.pages import download
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import Version
from tests.exports.versions import SECRET, publish

HTML = {"Accept": "text/html", "Host": "localhost"}
PASSWORD = {"Authorization": "Basic YW5uOnNlY3JldA=="}


@pytest.fixture
def version(settings: Settings, tiny_bert: Path) -> Version:
    return publish(settings.models_folder, tiny_bert)


def _path(version: Version) -> str:
    return f"/projects/7/versions/{version.name}/download"


def test_the_page_offers_each_version_as_a_model(app: Flask, version: Version) -> None:
    client = app.test_client()
    page = client.get("/projects/7", headers=HTML).get_data(as_text=True)
    assert f'href="7/versions/{version.name}/download"' in page
    answer = client.get(_path(version), headers=HTML)
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{version.name}.zip"'
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert answer.data == b"".join(zip_pieces(exported_files(version, CardOptions(version.name)), version.name))
    assert SECRET.encode() not in answer.data


def test_the_card_has_the_license_and_the_languages_of_the_settings(settings: Settings, version: Version) -> None:
    settings = settings.model_copy(update={"model_license": "mit", "model_languages": ("de",)})
    answer = create_app(settings, ServedModels(settings)).test_client().get(_path(version), headers=HTML)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        card = archive.read(f"{version.name}/README.md").decode()
    assert "license: mit" in card
    assert "language:\n- de\n" in card


@pytest.mark.parametrize(
    ("host", "address", "headers"),
    [
        ("localhost", "10.0.0.5", {}),
        ("attacker.example", "127.0.0.1", {}),
        ("localhost", "127.0.0.1", {"X-Forwarded-For": "10.0.0.5"}),
    ],
)
def test_without_credentials_only_this_machine_gets_it(
    app: Flask, version: Version, host: str, address: str, headers: dict[str, str]
) -> None:
    client = app.test_client()
    asked: dict[str, Any] = {
        "headers": {**HTML, **headers, "Host": host},
        "environ_base": {"REMOTE_ADDR": address},
    }
    assert "/download" not in client.get("/projects/7", **asked).get_data(as_text=True)
    answer = client.get(_path(version), **asked)
    assert answer.status_code == 403
    assert b"BASIC_AUTH_USER" in answer.data


def test_with_credentials_everybody_who_has_them_gets_it(settings: Settings, version: Version) -> None:
    settings = settings.model_copy(update={"basic_auth_user": "ann", "basic_auth_pass": SecretStr("secret")})
    client = create_app(settings, ServedModels(settings)).test_client()
    asked: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "10.0.0.5"}}
    assert client.get(_path(version), headers=HTML, **asked).status_code == 401
    assert client.get(_path(version), headers={**HTML, **PASSWORD}, **asked).status_code == 200


@pytest.mark.parametrize(
    "path", ["7/versions/current", "7/versions/..", "8/versions/{}", "x/versions/{}", "7/versions/<b>"]
)
def test_an_unknown_version_is_not_found(app: Flask, version: Version, path: str) -> None:
    answer = app.test_client().get(f"/projects/{path.format(version.name)}/download", headers=HTML)
    assert answer.status_code == 404
    assert b"<b>" not in answer.data


def test_a_damaged_version_is_refused_in_a_sentence(app: Flask, version: Version) -> None:
    (version.folder / "model.safetensors").unlink()
    client = app.test_client()
    answer = client.get(_path(version), headers=HTML)
    assert answer.status_code == 409
    page = lxml.html.document_fromstring(answer.get_data(as_text=True))
    assert "the version is damaged" in page.text_content()
    assert urljoin(_path(version), download.BACK) == "/projects/"
    (back,) = page.xpath("//main//a/@href")
    projects = client.get(urljoin(_path(version), back), headers=HTML).get_data(as_text=True)
    assert 'href="projects/7"' in projects
