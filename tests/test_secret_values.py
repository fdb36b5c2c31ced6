import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from huggingface_ner.jobs.redis_connection import QueueError, connect
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


@pytest.mark.parametrize(
    "url",
    [
        "redis://:p#p4ss@host:6379/0",
        "redis://:p4/ss@host:6379/0",
        "redis://:p?p4ss@host/0",
        "redis://:12#p4ss@host/0",
        "redis://:12/p4ss@host/0",
        "redis://:12?p4ss@host/0",
        "redis://:p4ss@host:port/0",
        "redis://:p4ss@ho[st:6379/0",
        "redis://[p4ss]@host:6379/0",
        "rediss://u:p4ss@host:99999/0",
    ],
)
def test_a_url_whose_parts_cannot_be_told_apart_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(SettingsError, match=r"REDIS_URL=.*: its parts cannot be told apart") as error:
        read_settings()
    assert "p4" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:p%23%2F%3F%40ss@host:6379/0",
        "rediss://user:p4ss@[::1]:6379/0?ssl_cert_reqs=none",
        "unix://user:p4ss@/run/redis.sock?db=1",
        "redis://host",
    ],
)
def test_a_url_with_clear_parts_is_accepted(url: str) -> None:
    assert Settings(redis_url=url).redis_url == url
    connect(url)


@pytest.mark.parametrize(
    "options", ["pasword=p4ss", "socket_timeout=p4ss", "protocol=p4ss", "health_check_interval=p4ss"]
)
def test_options_that_redis_does_not_know_are_not_quoted(options: str) -> None:
    with pytest.raises(QueueError, match="REDIS_URL has an option") as error:
        connect(f"redis://host/0?{options}")
    assert "p4ss" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "key", ["p4ss ", " p4ss", "p4ss\n", "p4\nss", "p4ss\t", "p4ssé", "p4 ss", "p4ss://x é", "p4\x7fss"]
)
@pytest.mark.parametrize("is_in_file", [False, True])
def test_a_key_that_cannot_be_sent_is_refused(
    key: str, is_in_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_in_file:
        (tmp_path / "key").write_bytes(key.rstrip("\n").encode() + b" \n")
        monkeypatch.setenv("LABEL_STUDIO_API_KEY_FILE", str(tmp_path / "key"))
    else:
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY: must consist of ASCII") as error:
        read_settings()
    assert "p4" not in str(error.value)


@pytest.mark.parametrize("name", [name.upper() for name in SECRETS])
@pytest.mark.parametrize("secret", ["p4ss", "redis://:p4ss@host/0", "secrets/p4ss", "../p4ss"])
def test_a_secret_given_as_the_name_of_its_file_is_not_shown(
    name: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{name}_FILE", secret)
    with pytest.raises(SettingsError, match=f"{name}_FILE: cannot be read .* path of a file") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


def test_a_model_is_not_named_by_a_url_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASELINE_MODEL_NAME", "https://user:p4ss@huggingface.co/dslim/bert-base-NER")
    with pytest.raises(SettingsError, match=r"BASELINE_MODEL_NAME.*not a URL") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


def test_no_error_of_settings_quotes_what_was_given() -> None:
    with pytest.raises(ValidationError) as error:
        Settings(label_studio_api_key="p4ss p4ss", redis_url="p4ss")
    assert "p4ss" not in str(error.value)


def test_credentials_do_not_belong_into_label_studios_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", "http://u:p4ss@ls.example")
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


@pytest.mark.parametrize("content", ["p4ss", "p4ss\n", "p4ss\r\n", "\ufeffp4ss\r\n"])
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
