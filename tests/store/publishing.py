"""Publishes versions without models, and reads what is logged about them."""

import logging

import pytest

from huggingface_ner.store.versions import ModelStore


def publish(store: ModelStore) -> str:
    return store.publish(lambda folder: None, {"f1": 0.5}).name


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
