"""A queue and a stand-in of Label Studio for each test of real workers."""

from pathlib import Path

import pytest

from tests.jobs.test_train import config, tasks
from tests.jobs.trainings import Trainings
from tests.label_studio_api import LabelStudioApi


@pytest.fixture
def trainings(redis_url: str, label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path) -> Trainings:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    return Trainings(redis_url, label_studio_api, tiny_bert, tmp_path)
