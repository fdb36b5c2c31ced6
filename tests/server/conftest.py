"""A service with a queue, in the tests' process; a test module may define other settings."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_dir=tmp_path)


@pytest.fixture
def queue(redis_url: str, settings: Settings) -> TrainingQueue:
    return TrainingQueue(connect(redis_url, timeout=5), settings)


@pytest.fixture
def app(settings: Settings, queue: TrainingQueue) -> Flask:
    return create_app(settings, ServedModels(settings), queue)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
