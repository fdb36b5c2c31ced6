import pytest

from huggingface_ner.settings import Settings, SettingsError, read_settings
from tests import ROOT


def test_tests_do_not_see_the_models_of_this_checkout() -> None:
    assert not Settings().models_folder.resolve().is_relative_to(ROOT)


def test_the_published_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL_DIR")
    settings = read_settings()
    assert settings.model_dump(
        include={
            "host",
            "port",
            "workers",
            "threads",
            "log_level",
            "baseline_model_name",
            "finetuned_model_name",
            "label_studio_host",
            "start_training_each_n_updates",
            "learning_rate",
            "num_train_epochs",
            "weight_decay",
            "redis_url",
        }
    ) == {
        "host": "0.0.0.0",
        "port": 9090,
        "workers": 1,
        "threads": 8,
        "log_level": "INFO",
        "baseline_model_name": "dslim/bert-base-NER",
        "finetuned_model_name": "finetuned_model",
        "label_studio_host": "http://localhost:8080",
        "start_training_each_n_updates": 10,
        "learning_rate": 1e-3,
        "num_train_epochs": 10,
        "weight_decay": 0.01,
        "redis_url": None,
    }
    assert str(settings.model_dir) == "results"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9191")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("LABEL_STUDIO_HOST", "https://ls.example/")
    monkeypatch.setenv("ALLOWED_URL_HOSTS", "a.example, b.example,")
    monkeypatch.setenv("BASELINE_MODEL_NAME", "")
    settings = read_settings()
    assert (settings.port, settings.log_level) == (9191, "DEBUG")
    assert settings.label_studio_host == "https://ls.example"
    assert settings.allowed_url_hosts == ("a.example", "b.example")
    assert not settings.baseline_is_set, "docker compose passes unset variables as empty ones"
    assert read_settings(port=1).port == 1
    assert [read_settings(min_score=value).min_score for value in ("auto", "0", 1, "0.25")] == ["auto", 0, 1, 0.25]
    for model_class in ("my_model:SureNER", "models.sure_v2:SureNER2"):
        assert read_settings(model_class=model_class).model_class == model_class


@pytest.mark.parametrize("hosts", ["a.example", "*", "minio_1,LOCALHOST", "10.0.0.7,::1", "b\u00fccher.example"])
def test_hosts_of_texts_are_names_and_addresses(hosts: str) -> None:
    assert read_settings(allowed_url_hosts=hosts).allowed_url_hosts == tuple(hosts.split(","))


@pytest.mark.parametrize(
    "hosts", ["a.example:9000", "https://a.example", "a.example/texts", "*.example", "[::1]", "a,b c", "u:p4ss@a"]
)
def test_what_can_never_be_the_host_of_a_text_is_refused(hosts: str) -> None:
    """It would be compared with the names of hosts, so no text would ever be fetched from there."""
    with pytest.raises(SettingsError, match=r"ALLOWED_URL_HOSTS=.*without http:// and without a port") as error:
        read_settings(allowed_url_hosts=hosts)
    assert "p4ss" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "nine"),
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("LABEL_STUDIO_HOST", "localhost:8080"),
        ("FINETUNED_MODEL_NAME", "../up"),
        ("LEARNING_RATE", "-1"),
        ("REDIS_URL", "http://redis"),
        ("DEVICE", "tpu"),
        ("MIN_SCORE", "-0.1"),
        ("MIN_SCORE", "1.1"),
        ("MIN_SCORE", "nan"),
        ("MIN_SCORE", "high"),
        ("MODEL_CLASS", "SureNER"),
        ("MODEL_CLASS", "my_model.SureNER"),
        ("MODEL_CLASS", "my model:SureNER"),
        ("MODEL_CLASS", ":SureNER"),
        ("MODEL_CLASS", "my_model:"),
        ("MODEL_CLASS", "1.my_model:SureNER"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}={value}"):
        read_settings()


@pytest.mark.parametrize("name", ["MODEL_CLASS", "FINETUNED_MODEL_NAME", "LABEL_STUDIO_HOST", "REDIS_URL"])
def test_the_message_about_an_invalid_setting_has_an_example(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "#")
    with pytest.raises(SettingsError, match="an example: ") as error:
        read_settings()
    example = str(error.value).partition("an example: ")[2]
    monkeypatch.setenv(name, example)
    assert getattr(read_settings(), name.lower()) == example


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("PREDICT_AFTER_TRAINING", ["AUTO", "never", "2", " auto "], "must be auto, true or false"),
        (
            "TRAINING_REPETITIONS",
            ["AUTO", "often", "0", "11", "1.5", " auto "],
            "must be auto, or a whole number from 1 to 10",
        ),
    ],
)
def test_the_message_about_an_invalid_choice_is_one_line(
    name: str, values: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in values:
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as error:
            read_settings()
        assert str(error.value) == f"{name}={value}: {message}"


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("value", ["-1", "no such value"])
def test_a_message_has_one_line_for_each_setting(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), value)
    message = ""  # some settings accept any text
    try:
        read_settings()
    except SettingsError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize(
    "credentials",
    [{"BASIC_AUTH_USER": "u"}, {"BASIC_AUTH_PASS": "p4ss"}, {"BASIC_AUTH_USER": "a:b", "BASIC_AUTH_PASS": "p4ss"}],
)
def test_credentials_come_in_pairs_and_are_not_shown(
    credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="BASIC_AUTH_USER") as error:
        read_settings()
    assert "p4ss" not in str(error.value)


def test_the_repr_of_settings_has_no_secrets() -> None:
    settings = Settings(basic_auth_user="u", basic_auth_pass="p4ss", label_studio_api_key="k3y")
    assert "p4ss" not in repr(settings)
    assert "k3y" not in repr(settings)
