import secrets
from pathlib import Path

import pytest

from huggingface_ner.store.versions import ModelStore, project_store


@pytest.fixture
def ascending_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give versions ascending names, even within the same second."""
    numbers = iter(range(10_000))
    monkeypatch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return project_store(tmp_path, 3)
