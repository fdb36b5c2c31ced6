"""Labels that are never suggested are named, in the log, in /health and in /training."""

import logging

import pytest

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.server.app import create_app
from huggingface_ner.server.label_matches import LabelMatches
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings


def _config(*labels: str) -> str:
    each = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<View><Labels name="l" toName="t">{each}</Labels><Text name="t" value="$t"/></View>'


def test_labels_that_do_not_match_are_named_everywhere(
    news_models: ServedModels, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(redis_url=redis_url)
    client = create_app(settings, news_models, TrainingQueue(connect(redis_url), settings)).test_client()

    def predict(config: str) -> None:
        body = {"tasks": [{"id": 1, "data": {"t": "Anna"}}], "label_config": config, "project": "7.1"}
        assert client.post("/predict", json=body).status_code == 200

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            predict(_config("PER", "Drug"))
    (told,) = [record.message for record in caplog.records if "Drug" in record.message]
    assert told.startswith("project 7: ")
    assert "ORG" in told, "the model's labels without a counterpart in the config are named too"
    assert client.get("/health").get_json()["labels"] == {"7": told.removeprefix("project 7: ")}
    assert client.get("/training?project=7").get_json()["labels"] == told.removeprefix("project 7: ")

    predict(_config("PER"))
    assert "knows every label" in client.get("/health").get_json()["labels"]["7"]
    predict(_config("PER", "ORG", "LOC", "MISC"))
    assert "labels" not in client.get("/health").get_json()
    assert "labels" not in client.get("/training?project=7").get_json()


def test_if_nothing_matches_the_labels_of_both_sides_are_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        LabelMatches(None).note(None, "v", ("GENE",), _config("Drug"))
    assert "GENE" in caplog.text
    assert "Drug" in caplog.text


def test_an_encoder_without_labels_has_nothing_to_match() -> None:
    matches = LabelMatches(None)
    matches.note(7, "v", (), _config("Drug"))
    assert matches.inexact() == {}
