import json
import logging
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huggingface_ner.engines.stand_in import PACKAGED_ENCODER
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.tasks import MAX_WARNINGS
from huggingface_ner.logs import TextFormatter
from huggingface_ner.server.app import create_app
from huggingface_ner.serving import baseline
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests import recorded, recorded_names

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def client(news_models: ServedModels) -> FlaskClient:
    return create_app(Settings(max_request_bytes=2_000_000), news_models).test_client()


def _predict(client: FlaskClient, config: str, *data: Any) -> list[dict[str, Any]]:
    tasks = [{"id": number, "data": each} for number, each in enumerate(data)]
    answer = client.post("/predict", json={"tasks": tasks, "label_config": config})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert len(answer.get_json()["results"]) == len(data)
    return list(answer.get_json()["results"])


def _found(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(region["value"]["text"], region["value"]["labels"][0]) for region in result["result"]]


@pytest.mark.parametrize("name", recorded_names())
def test_every_recorded_request_is_answered(client: FlaskClient, news_models: ServedModels, name: str) -> None:
    request = recorded(name)["request"]
    answer = client.open(request["path"], method=request["method"], json=request["body"])
    assert answer.status_code == 200
    assert isinstance(answer.json, dict)
    if request["path"] == "/setup":
        assert answer.get_json()["model_version"] == news_models.state.model_version
    if request["path"] == "/versions":
        assert answer.json == {"versions": [news_models.state.model_version]}
    if request["path"] == "/predict":
        config = parse_labeling_config(request["body"]["label_config"])
        assert len(answer.get_json()["results"]) == len(request["body"]["tasks"])
        for result in answer.get_json()["results"]:
            assert result["model_version"] == news_models.state.model_version
            assert 0 <= result["score"] <= 1
            for region in result["result"]:
                control = next(c for c in config.controls if c.name == region["from_name"])
                assert (region["to_name"], region["type"]) == (control.object.name, control.region_type)
                (label,) = region["value"][control.region_type]
                assert label in control.label_names


def test_entities_are_found_where_they_are(client: FlaskClient, news_config: str) -> None:
    text = "😀 {}\r\nAmina Diallo flew from Dakar to Lyon.".format("Nothing happened here today. " * 200)
    (result,) = _predict(client, news_config, {"text": text})
    assert ("Dakar", "LOC") in _found(result)
    for region in result["result"]:
        value = region["value"]
        assert value["text"] == text[value["start"] : value["end"]]


def test_neighbours_stay_apart_and_a_task_without_entities_gets_a_result(
    client: FlaskClient, news_config: str
) -> None:
    texts = ["Oslo Bergen Riga", "It will rain until Sunday.", "Amina Diallo lives in Dakar."]
    results = _predict(client, news_config, *({"text": text} for text in texts))
    assert results[1]["result"] == []
    assert ("Dakar", "LOC") in _found(results[2])
    assert all(0 < result["score"] <= 1 for result in results)


@pytest.mark.parametrize("data", [{}, {"text": 3}, {"text": []}, {"text": None}, {"other": "x"}, None, "x"])
def test_a_bad_task_does_not_spoil_the_others(client: FlaskClient, news_config: str, data: Any) -> None:
    good = {"text": "Amina Diallo lives in Dakar."}
    bad, one, two = _predict(client, news_config, data, good, good)
    assert bad["result"] == []
    assert 0 < bad["score"] <= 1
    assert _found(one) == _found(two) != []


@pytest.mark.parametrize("data", [{}, {"other": "x"}, None, "x"])
def test_a_task_that_cannot_be_read_is_not_the_least_certain(
    client: FlaskClient, news_config: str, data: Any
) -> None:
    unreadable, good = _predict(client, news_config, data, {"text": "Amina Diallo lives in Dakar."})
    assert unreadable["score"] == 1.0 >= good["score"]


@pytest.mark.parametrize("text", ["", "\x00", "\ud83d", " \n", "http://127.0.0.1:1/Dakar", "/etc/passwd"])
def test_odd_texts_are_read_as_texts(client: FlaskClient, news_config: str, text: str) -> None:
    result, after = _predict(client, news_config, {"text": text}, {"text": f"{text} Amina Diallo lives in Dakar."})
    assert result["score"] > 0
    assert ("Dakar", "LOC") in _found(after)


def test_a_megabyte_is_labelled_to_its_end(tiny_bert: Path, news_config: str) -> None:
    models = ServedModels(Settings(baseline_model_name=str(tiny_bert)))
    models.start()
    assert models.wait(60).state == "ready"
    text = "Anna flew to Zürich. " * 48_000
    (result,) = _predict(create_app(Settings(), models).test_client(), news_config, {"text": text})
    assert result["result"][-1]["value"]["end"] > len(text) - 100
    models.close()


CONFIG = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels><Text name="t" value="$t"/></View>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>'


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b"[]", "body"),
        (b'"tasks"', "body"),
        (b"null", "body"),
        ({"label_config": CONFIG}, "tasks"),
        ({"tasks": {}, "label_config": CONFIG}, "tasks"),
        ({"tasks": None, "label_config": CONFIG}, "tasks"),
        ({"tasks": []}, "label_config"),
        ({"tasks": [], "label_config": 3}, "label_config"),
        ({"tasks": [], "label_config": ""}, "label_config"),
        ({"tasks": [], "label_config": "<View>"}, "label_config"),
        ({"tasks": [], "label_config": BOMB}, "entities"),
        ({"tasks": [], "label_config": "<View/>"}, "no control labels text"),
    ],
)
def test_a_bad_predict_names_the_field(client: FlaskClient, body: Any, field: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = client.post("/predict", data=data, content_type="application/json")
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]
    assert answer.get_json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/setup", {"schema": "<View>"}, "schema"),
        ("/setup", {"schema": 3}, "schema"),
        ("/setup", [], "body"),
        ("/webhook", {}, "action"),
        ("/webhook", {"action": 3}, "action"),
        ("/webhook", [], "body"),
    ],
)
def test_other_bad_bodies_name_the_field(client: FlaskClient, path: str, body: Any, field: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert field in answer.get_json()["error"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/predict", "/setup", "/webhook"]),
    body=st.dictionaries(
        st.sampled_from(["tasks", "label_config", "project", "params", "schema", "action"]),
        JSON | st.just(CONFIG) | st.lists(st.fixed_dictionaries({"data": st.fixed_dictionaries({"t": JSON})})),
        max_size=6,
    ),
)
def test_no_body_causes_an_internal_error(client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    assert client.post(path, json=body).status_code in (200, 400)


def test_a_body_over_the_limit_gets_413(client: FlaskClient) -> None:
    answer = client.post("/predict", data=b"x" * 2_000_001)
    assert answer.status_code == 413
    assert "MAX_REQUEST_BYTES=2000000" in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/predict", 405), ("POST", "/health", 405)]
)
def test_other_routes_answer_in_json(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.get_json()["error"]


def test_an_internal_error_is_logged_under_its_id_and_not_shown(
    news_models: ServedModels, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(project_id: int | None) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(news_models, "model_for", fail)
    caplog.handler.setFormatter(TextFormatter())
    answer = (
        create_app(Settings(), news_models)
        .test_client()
        .post("/predict", json={"tasks": [{"data": {"t": "x"}}], "label_config": CONFIG})
    )
    assert answer.status_code == 500
    assert answer.get_json()["request_id"] in answer.get_json()["error"]
    assert "secret" not in answer.get_data(as_text=True)
    assert f"[request {answer.get_json()['request_id']}]: the request failed" in caplog.text


def test_no_text_reaches_the_log_by_an_internal_error(
    news_models: ServedModels, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Amina Diallo flew"

    def fail(*_: object) -> None:
        raise KeyError(text) from ValueError(text)

    monkeypatch.setattr(news_models, "model_for", fail)
    caplog.handler.setFormatter(TextFormatter())
    body = {"tasks": [{"data": {"t": text}}], "label_config": CONFIG}
    assert create_app(Settings(), news_models).test_client().post("/predict", json=body).status_code == 500
    assert "KeyError" in caplog.text
    assert "ValueError" in caplog.text
    assert "Amina" not in caplog.text


def test_lines_of_a_request_name_it_and_its_project(
    client: FlaskClient, news_config: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(TextFormatter())
    answer = client.post("/predict", json={"tasks": [{}], "label_config": news_config, "project": "7.1700000000"})
    assert f"[request {answer.headers['X-Request-ID']}, project 7]: task None: not labelled" in caplog.text


def test_many_bad_tasks_do_not_flood_the_log(
    client: FlaskClient, news_config: str, caplog: pytest.LogCaptureFixture
) -> None:
    _predict(client, news_config, *[{}] * 1_000)
    assert len(caplog.records) == MAX_WARNINGS + 1
    assert caplog.messages[-1] == f"{1_000 - MAX_WARNINGS} more texts cannot be read: not labelled"


def test_a_long_path_does_not_flood_the_log(news_models: ServedModels, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(basic_auth_user="u", basic_auth_pass="p"), news_models)
    assert app.test_client().get("/" + "x" * 4_000).status_code == 401
    assert len(caplog.text) < 300


def _basic(credentials: bytes) -> str:
    return f"Basic {b64encode(credentials).decode()}"


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/versions", "/metrics", "/nothing"])
def test_credentials_are_required_everywhere(news_models: ServedModels, path: str) -> None:
    app = create_app(Settings(basic_auth_user="u", basic_auth_pass="s3cret:x"), news_models)
    answer = app.test_client().get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    good = app.test_client().get(path, headers={"Authorization": _basic(b"u:s3cret:x")})
    assert good.status_code in (200, 404)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Basic ü",
        "Bearer abc",
        _basic(b"u:wrong"),
        _basic(b"u"),
        _basic(b":"),
        _basic(b"\xff\xfe:\xff"),
        _basic("ü:ü".encode("utf-16")),
    ],
)
def test_wrong_credentials_get_401(
    news_models: ServedModels, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(basic_auth_user="ü", basic_auth_pass="ü"), news_models)
    environ = {"HTTP_AUTHORIZATION": header.encode().decode("latin-1")}
    assert app.test_client().get("/health", environ_base=environ).status_code == 401
    assert "GET /health: credentials are missing or wrong" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_credentials_may_have_any_letters(news_models: ServedModels, encoding: str) -> None:
    """Label Studio sends them in Latin-1, other clients in UTF-8."""
    app = create_app(Settings(basic_auth_user="ü", basic_auth_pass="paßwort"), news_models)
    headers = {"Authorization": _basic("ü:paßwort".encode(encoding))}
    assert app.test_client().get("/health", headers=headers).status_code == 200


def test_letters_that_latin_1_lacks_are_not_replaced(news_models: ServedModels) -> None:
    app = create_app(Settings(basic_auth_user="ő", basic_auth_pass="ő"), news_models)
    for credentials, status in (("ő:ő", 200), ("?:?", 401), ("o:o", 401)):
        headers = {"Authorization": _basic(credentials.encode())}
        assert app.test_client().get("/health", headers=headers).status_code == status


@pytest.mark.parametrize("name", [name for name in recorded_names() if name.endswith("_basic_auth")])
def test_recorded_credentials_are_accepted(news_models: ServedModels, name: str) -> None:
    request = recorded(name)["request"]
    app = create_app(Settings(basic_auth_user="u", basic_auth_pass="s3cret:x"), news_models)
    headers = {"Authorization": request["headers"]["Authorization"]}
    answer = app.test_client().open(
        request["path"], method=request["method"], json=request["body"], headers=headers
    )
    assert answer.status_code == 200


def test_health_answers_while_a_model_loads(tiny_bert: Path) -> None:
    loads: list[str] = []
    models = ServedModels(
        Settings(baseline_model_name=str(tiny_bert)), on_load=lambda: loads.append(models.state.state)
    )
    client = create_app(Settings(), models).test_client()
    assert client.get("/health").json == {
        "status": "UP",
        "model": "loading",
        "model_version": str(tiny_bert),
    }
    assert client.get("/ready").status_code == 503
    models.start()
    assert models.wait(60).state == "ready"
    assert loads == ["loading"], "called before the model is used"
    assert client.get("/ready").status_code == 200
    assert client.get("/").get_json()["model"] == "ready"
    models.close()


def test_a_chosen_baseline_is_never_replaced(tmp_path: Path) -> None:
    models = ServedModels(Settings(baseline_model_name=str(tmp_path / "gone")))
    models.start()
    assert models.wait(60).state == "failed"
    client = create_app(Settings(), models).test_client()
    health = client.get("/health")
    assert (health.status_code, health.get_json()["status"]) == (200, "UP")
    assert "no such model folder" in health.get_json()["reason"]
    answer = client.post("/predict", json={"tasks": [{"data": {"t": "x"}}], "label_config": CONFIG})
    assert answer.status_code == 503
    assert "no such model folder" in answer.get_json()["error"]
    assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/setup", json={"schema": CONFIG}).status_code == 200
    models.close()


def test_a_baseline_that_appears_later_is_loaded(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "RETRY_INTERVAL", 0.05)
    models = ServedModels(Settings(baseline_model_name=str(tmp_path / "model")))
    models.start()
    assert models.wait(60).state == "failed"
    (tmp_path / "model").symlink_to(tiny_bert)
    for _ in range(200):
        if models.state.state == "ready":
            break
        time.sleep(0.05)
    assert models.state.state == "ready"
    models.close()


def test_without_the_hub_the_packaged_encoder_replaces_the_default(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    models = ServedModels(Settings())
    models.start()
    assert models.wait(60).state == "ready"
    client = create_app(Settings(), models).test_client()
    assert client.get("/health").get_json()["model_version"] == PACKAGED_ENCODER
    assert "dslim/bert-base-NER" in client.get("/health").get_json()["reason"]
    assert "dslim/bert-base-NER" in caplog.text
    (result,) = _predict(client, CONFIG, {"t": "Anna"})
    assert result == {"result": [], "score": 0.0, "model_version": PACKAGED_ENCODER}
    models.close()


def test_metrics_count_what_was_done(client: FlaskClient, news_config: str) -> None:
    _predict(client, news_config, {"text": "Amina Diallo lives in Dakar."}, {"text": "Rain."})
    client.post("/webhook", json={"action": "ANNOTATION_CREATED"})
    client.post("/webhook", json={"action": "x" * 1000})
    shown = client.get("/metrics").get_data(as_text=True)
    assert 'huggingface_ner_requests_total{route="/predict",status="200"} 1.0' in shown
    assert "huggingface_ner_tasks_total 2.0" in shown
    assert 'huggingface_ner_webhooks_total{action="ANNOTATION_CREATED"} 1.0' in shown
    assert 'huggingface_ner_webhooks_total{action="other"} 1.0' in shown
    assert "huggingface_ner_ready 1.0" in shown


def test_a_forged_webhook_writes_one_line(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "huggingface_ner"):
        body = {"action": "X\nERROR forged" + "x" * 1000, "project": {"id": "1\n2"}}
        assert client.post("/webhook", json=body).status_code == 200
    assert "project None" in caplog.text
    assert all("\n" not in record.getMessage() and len(record.getMessage()) < 200 for record in caplog.records)
