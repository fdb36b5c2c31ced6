from pathlib import Path

import pytest

from huggingface_ner.secret_values import SECRETS
from huggingface_ner.settings import Settings, SettingsError, read_settings


@pytest.mark.parametrize("name", ["REDIS_URL", "LABEL_STUDIO_HOST"])
@pytest.mark.parametrize(
    "value",
    [
        "http//u:p4ss@host",
        "ftp://u:p4ss@host",
        "ftp://:p4ss@host:6379/0",
        "ftp://u:pa/p4ss@@host",
        "redis:/u:p4ss@host",
        "ftp://host?password=p4ss",
        "u:p4ss@host",
        "\nhttp://u:p4ss@host",
    ],
)
def test_a_mistyped_url_does_not_show_its_password(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as error:
        read_settings()
    assert "p4ss" not in str(error.value)


def test_what_may_be_a_password_alone_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "p4ss")
    with pytest.raises(SettingsError, match="REDIS_URL: not a valid value") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


def test_credentials_do_not_belong_into_label_studios_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", "http://u:p4ss@ls.example")
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


@pytest.mark.parametrize("content", ["p4ss", "p4ss\n", "p4ss\r\n"])
def test_secrets_may_be_in_files(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    url = tmp_path / "url"
    url.write_text("redis://:p4ss@redis\n")
    monkeypatch.setenv("BASIC_AUTH_USER", "u")
    monkeypatch.setenv("BASIC_AUTH_PASS_FILE", str(file))
    monkeypatch.setenv("LABEL_STUDIO_API_KEY_FILE", str(file))
    monkeypatch.setenv("REDIS_URL_FILE", str(url))
    settings = read_settings()
    assert settings.basic_auth_pass is not None
    assert settings.basic_auth_pass.get_secret_value() == "p4ss"
    assert settings.label_studio_api_key is not None
    assert settings.label_studio_api_key.get_secret_value() == "p4ss"
    assert settings.redis_url == "redis://:p4ss@redis"


def test_every_secret_has_a_file() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
    assert secret < set(SECRETS)
    assert {f"{name}_file" for name in SECRETS} < set(Settings.model_fields)


@pytest.mark.parametrize("name", [name.upper() for name in SECRETS])
def test_a_file_that_cannot_be_used_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff")
    for file, reason in (("empty", "is empty"), ("binary", "cannot be read"), ("gone", "cannot be read")):
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / file))
        with pytest.raises(SettingsError, match=f"{name}_FILE={tmp_path / file}: .*{reason}"):
            read_settings()
    monkeypatch.setenv(name, "redis://x")
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE: set only one"):
        read_settings()
