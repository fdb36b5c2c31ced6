"""Each Label Studio has its own models, also after an upgrade, a move, or a start of several processes at once."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from huggingface_ner.model_places import HOST_FILE, OWN, PlaceError, places
from huggingface_ner.settings import Settings
from huggingface_ner.store import claims
from huggingface_ner.store.claims import adopt_models, claim_models
from huggingface_ner.store.versions import project_store, project_stores

FIRST, SECOND = "http://first:8080", "http://second:8080"


def _settings(model_dir: Path, host: str = FIRST) -> Settings:
    return Settings(model_dir=model_dir, label_studio_host=host)


def _publish(settings: Settings, project: int = 1) -> str:
    return project_store(settings.models_folder, project).publish(lambda folder: None, {}).name


def test_models_of_an_older_release_belong_to_the_configured_host(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = project_store(tmp_path / "finetuned_model", 1).publish(lambda folder: None, {}).name
    files = sorted(tmp_path.rglob("*"))
    settings = _settings(tmp_path)
    claim_models(settings)
    assert project_store(settings.models_folder, 1).current() == old
    assert settings.models_folder == tmp_path / "finetuned_model"
    assert settings.queue_prefix == "huggingface-ner:finetuned_model", "the data in Redis are taken over too"
    assert sorted(tmp_path.rglob("*")) == sorted([*files, tmp_path / "finetuned_model" / HOST_FILE])
    assert not caplog.records


def test_another_label_studio_starts_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = _settings(tmp_path), _settings(tmp_path, SECOND)
    claim_models(first)
    ours = _publish(first)
    claim_models(second)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"projects adopt {FIRST}" in record.getMessage()
    assert project_stores(second.models_folder) == {}
    theirs = _publish(second)
    assert [version.name for version in project_store(second.models_folder, 1).versions()] == [theirs]
    assert [version.name for version in project_store(first.models_folder, 1).versions()] == [ours]
    assert list(project_stores(first.models_folder)) == [1], "a place is not a project"
    assert second.queue_prefix.startswith(f"{first.queue_prefix}:second-8080-")
    again = _settings(tmp_path, f"{SECOND}/")
    claim_models(again)
    assert again.models_folder == second.models_folder


def test_the_default_address_is_claimed_too(tmp_path: Path) -> None:
    default = Settings(model_dir=tmp_path)
    claim_models(default)
    _publish(default)
    assert project_stores(_settings(tmp_path).models_folder) == {}
    assert Settings(model_dir=tmp_path).of_known_host().models_folder == default.models_folder


def test_a_command_without_an_address_is_about_the_service_that_uses_the_folder(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    claim_models(settings)
    assert Settings(model_dir=tmp_path).of_known_host().label_studio_host == FIRST
    assert _settings(tmp_path, SECOND).of_known_host().label_studio_host == SECOND
    assert Settings(model_dir=tmp_path / "new").of_known_host().label_studio_host == "http://localhost:8080"


def test_if_processes_start_together_one_of_them_claims_the_folder(tmp_path: Path) -> None:
    hosts = [f"http://host-{number % 4}:8080" for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda host: claim_models(_settings(tmp_path, host)), hosts))
    models = tmp_path / "finetuned_model"
    claimed = places(models)
    assert sorted(claimed.values()) == sorted(set(hosts))
    assert OWN in claimed
    assert not list(models.rglob(".new-*"))


@pytest.mark.parametrize("call", ["fsync", "hardlink_to"])
def test_a_claim_is_made_completely_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, kill)
        with pytest.raises(Killed):
            claim_models(_settings(tmp_path))
    assert places(tmp_path / "finetuned_model") == {}
    claim_models(_settings(tmp_path))
    assert places(tmp_path / "finetuned_model") == {OWN: FIRST}


def test_a_file_system_without_hard_links_is_supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    claim_models(_settings(tmp_path))
    claims._link(tmp_path / "x", tmp_path / "finetuned_model" / HOST_FILE, "http://late:8080")  # noqa: SLF001
    assert places(tmp_path / "finetuned_model") == {OWN: FIRST}


def test_a_label_studio_that_moved_keeps_its_models(tmp_path: Path) -> None:
    first = _settings(tmp_path)
    claim_models(first)
    name = _publish(first)
    moved = _settings(tmp_path, "https://labels.example.org")
    assert adopt_models(moved, f"{FIRST}/") == OWN
    assert project_store(moved.models_folder, 1).current() == name
    assert project_stores(_settings(tmp_path).models_folder) == {}, (
        "a Label Studio at the former address starts empty"
    )


def test_a_second_label_studio_that_moved_keeps_its_models(tmp_path: Path) -> None:
    claim_models(_settings(tmp_path))
    second = _settings(tmp_path, SECOND)
    claim_models(second)
    name, folder = _publish(second), second.models_folder
    third = "http://third:8080"
    claim_models(_settings(tmp_path, third))  # the service was started with the new address before the adoption
    moved = _settings(tmp_path, third)
    adopt_models(moved, SECOND)
    assert moved.models_folder == folder
    assert project_store(moved.models_folder, 1).current() == name
    assert sorted(places(tmp_path / "finetuned_model").values()) == [FIRST, third]


def test_models_are_not_adopted_by_mistake(tmp_path: Path) -> None:
    for host in (FIRST, SECOND):
        claim_models(_settings(tmp_path, host))
        _publish(_settings(tmp_path, host), 4)
    with pytest.raises(PlaceError, match=f"no models of http://typo:8080 in .*: {FIRST}, {SECOND}"):
        adopt_models(_settings(tmp_path), "http://typo:8080")
    with pytest.raises(PlaceError, match="this is LABEL_STUDIO_HOST"):
        adopt_models(_settings(tmp_path), FIRST)
    with pytest.raises(PlaceError, match="has its own models, of the projects 4; remove them first"):
        adopt_models(_settings(tmp_path, SECOND), FIRST)
    assert sorted(places(tmp_path / "finetuned_model").values()) == [FIRST, SECOND]
