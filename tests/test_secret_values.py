import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from huggingface_ner.cli import main
from huggingface_ner.jobs.redis_connection import QueueError, connect
from huggingface_ner.jobs.suggestion_marks import Suggestions
from huggingface_ner.learning.progress import Outcome
from huggingface_ner.secret_values import SECRETS, without_credentials
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


ADDRESSES = [
    "https://u:p4ss@host/names.tsv",
    "https:/u:p4ss@host/names.tsv",
    " https://u:p4ss@host/names.tsv",
    "s3://u:p4/ss@host/names.tsv",
    "s3://bucket/names.tsv?secret=p4ss",
    "git+ssh://p4ss@host/names",
    "u:p4ss@host:/names.tsv",
    "u:p4@ss@host/names.tsv",
]


@pytest.mark.parametrize("name", ["GAZETTEER", "MODEL_DIR", "BASELINE_MODEL_NAME", "HOST"])
@pytest.mark.parametrize("value", ADDRESSES)
def test_what_is_no_address_is_not_given_as_one(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"{name}=.*: must be ") as error:
        read_settings()
    assert "ss@" not in str(error.value)
    assert "p4" not in str(error.value)


@pytest.mark.parametrize("path", ["names@v2/list.tsv", "/data/12:30@home/names.tsv", "./u:v@w.tsv", "a:b", "~/x"])
def test_paths_with_unusual_characters_are_accepted(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZETTEER", path)
    monkeypatch.setenv("MODEL_DIR", path)
    settings = read_settings()
    assert settings.gazetteer == settings.model_dir == Path(path)


def test_every_path_is_checked() -> None:
    paths = {name for name, field in Settings.model_fields.items() if "Path" in str(field.annotation)}
    assert paths == {"gazetteer", "model_dir", *(f"{name}_file" for name in SECRETS)}


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_no_setting_shows_the_password_of_a_url(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "https://u:p4ss@host.example")
    main(["predict", "--model", "gone", "--config", "gone", "--tasks", "gone", "--out", "gone"])
    shown = capsys.readouterr()
    assert "p4ss" not in shown.out + shown.err


def test_a_path_on_the_command_line_is_shown_without_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://u:p4ss@host/x"
    for arguments in (
        ["predict", "--model", url, "--config", url, "--tasks", url, "--out", "gone"],
        ["train", "--config", url, "--tasks", url, "--out", "gone", "--baseline", url],
        ["evaluate", "--model", url, "--config", url, "--tasks", url],
        ["projects", "adopt", url],
    ):
        assert main(arguments) == 1
        shown = capsys.readouterr()
        assert "p4ss" not in shown.out + shown.err
        assert "host" in shown.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://u:p4ss@host/x.", "at https://***@host/x."),
        ("'https:/u:p4ss@host/x' and ftp://p4ss@h", "'https:/***@host/x' and ftp://***@h"),
        ("https://u:p4@ss@host", "https://***@host"),
        ("http://host/mail@x, a:b@c", "http://host/mail@x, a:b@c"),
    ],
)
def test_credentials_within_a_text_are_hidden(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_why_something_failed_is_kept_without_credentials() -> None:
    reason = "https://u:p4ss@tracking.example does not answer"
    assert "p4ss" not in Outcome.failed(reason, retryable=True).model_dump_json()
    for retryable in (True, False):
        assert "p4ss" not in Suggestions(version="v").failed(reason, retryable=retryable).model_dump_json()


@pytest.mark.parametrize("end", ["?token=p4ss", "/?p4ss", "/x?y=p4ss"])
def test_label_studios_address_has_no_query(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", f"http://ls.example{end}")
    with pytest.raises(SettingsError, match=r"LABEL_STUDIO_HOST=.*must end before") as error:
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
