"""Loading versions from disk as models in memory; here, a model is the text in its version's folder."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.serving import project_models
from huggingface_ner.serving.project_models import ProjectModels
from huggingface_ner.store import versions
from huggingface_ner.store.versions import ModelStore, Version


class Models(ProjectModels):
    """Records which models are loaded; a folder with the text "broken" cannot be loaded."""

    def __init__(self, folder: Path, max_projects: int) -> None:
        self.loads: list[str] = []
        self.stores = {number: ModelStore(folder / str(number), keep=5) for number in range(1, 9)}
        super().__init__(self.stores.__getitem__, self._read, max_projects)

    def _read(self, version: Version) -> Any:
        text = (version.folder / "model").read_text()
        self.loads.append(text)
        if text == "broken":
            raise OSError("broken")
        return text

    def publish(self, project_id: int, text: str) -> str:
        return self.stores[project_id].publish(lambda folder: _write(folder / "model", text), {}).name

    def answer(self, project_id: int, timeout: float = 10) -> Any:
        loaded = self.model_for(project_id, timeout)
        return loaded and loaded.tagger


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    monkeypatch.setattr(versions, "ACTIVATION_DELAY", 1.5)
    made = Models(tmp_path, max_projects=2)
    made.start()
    yield made
    made.close()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_project_without_versions_has_none(models: Models) -> None:
    assert models.model_for(1, 0) is None


def test_a_new_version_is_loaded_before_it_serves(models: Models) -> None:
    assert models.model_for(1, 0) is None
    models.publish(1, "a")
    _until(lambda: models.loads == ["a"])
    assert models.model_for(1, 0) is None, "every process has time to load it"
    _until(lambda: models.answer(1, timeout=0) == "a")
    models.publish(1, "b")
    _until(lambda: models.loads == ["a", "b"])
    assert models.answer(1, timeout=0) == "a"
    _until(lambda: models.answer(1, timeout=0) == "b")
    _until(lambda: len(models._projects[1].loaded) == 1)
    assert models.loads == ["a", "b"], "each version is loaded once"


def test_two_processes_change_over_at_the_same_moment(models: Models, tmp_path: Path) -> None:
    other = Models(tmp_path, max_projects=2)
    other.start()
    models.publish(1, "a")
    seen: set[tuple[str | None, ...]] = set()

    def both_answer() -> bool:
        seen.add((models.answer(1), other.answer(1), models.answer(1)))
        return ("a",) * 3 in seen

    _until(both_answer)
    # the change may happen between two of these reads, but the new version never goes away again
    assert seen <= {(None, None, None), (None, None, "a"), (None, "a", "a"), ("a", "a", "a")}
    other.close()


def test_one_that_cannot_be_loaded_is_passed_over(models: Models, caplog: pytest.LogCaptureFixture) -> None:
    good = models.publish(1, "good")
    time.sleep(1.01)  # the names of versions sort by the second of their publication
    bad = models.publish(1, "broken")
    _until(lambda: "broken" in models.loads or models.model_for(1, 0.1) is not None)
    models.stores[1].use(bad)
    time.sleep(1.6)
    loaded = models.model_for(1, 10)
    assert loaded is not None
    assert loaded.version == good
    assert models.answer(1) == "good"
    assert f"version {bad} cannot be loaded" in caplog.text
    assert models.passed_over() == {bad: "broken"}
    assert models.loads.count("broken") == 1


def test_without_any_that_loads_the_baseline_serves(models: Models) -> None:
    models.publish(1, "broken")
    time.sleep(1.6)
    loaded = models.model_for(1, 10)
    assert loaded is not None
    assert (loaded.version, loaded.tagger) == (None, None)


def test_the_least_recently_used_are_evicted(models: Models) -> None:
    for project_id in (1, 2, 3):
        models.publish(project_id, str(project_id))
    time.sleep(1.6)
    for project_id in (1, 2, 1, 3):
        assert models.answer(project_id) == str(project_id)
    _until(lambda: sorted(number for number, project in models._projects.items() if project.loaded) == [1, 3])
    assert models.answer(2) == "2"
    assert models.loads == ["1", "2", "3", "2"]


def test_the_watch_goes_on_after_a_fault(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    models.publish(1, "a")
    time.sleep(1.6)
    with monkeypatch.context() as patch:
        patch.setattr(ModelStore, "fallbacks", lambda *_: 1 / 0)
        with pytest.raises(TimeoutError, match="still loading"):
            models.model_for(1, 0.2)
    assert models.answer(1) == "a"


def test_a_project_whose_folder_cannot_be_read_costs_itself_alone(
    models: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    models.publish(1, "a")
    models.publish(2, "b")
    time.sleep(1.6)
    read = ModelStore.fallbacks

    def away(store: ModelStore, name: str) -> list[Version]:
        if store is models.stores[1]:
            raise OSError("stale file handle")
        return read(store, name)

    with monkeypatch.context() as patch:
        patch.setattr(ModelStore, "fallbacks", away)
        with pytest.raises(TimeoutError):
            models.model_for(1, 0.2)
        assert models.answer(2) == "b"
        with pytest.raises(TimeoutError):
            models.model_for(1, 1.2)
    assert caplog.text.count("project 1: could not poll for new versions") == 1, "not with every poll"
    assert models.answer(1) == "a"


def test_no_more_models_are_in_memory_than_allowed(models: Models) -> None:
    for project_id in range(1, 9):
        models.publish(project_id, str(project_id))
    time.sleep(1.6)
    most = 0
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(models.answer, project_id) for project_id in range(1, 9)]
        while not all(answer.done() for answer in answers):
            most = max(most, sum(bool(project.loaded) for project in list(models._projects.values())))
            time.sleep(0.001)
    assert [answer.result() for answer in answers] == [str(project_id) for project_id in range(1, 9)]
    assert most <= 2


def test_one_that_could_not_be_loaded_is_tried_again(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_models, "RETRY_INTERVAL", 1.0)
    good = models.publish(1, "good")
    time.sleep(1.01)
    bad = models.publish(1, "broken")
    time.sleep(1.6)
    assert models.answer(1) == "good"
    served = models.loaded(1, bad)
    assert served is not None
    assert served.version == good
    assert models.loaded(2, bad) is None
    (models.stores[1].versions()[-1].folder / "model").write_text("mended")
    _until(lambda: models.answer(1) == "mended")
    assert models.passed_over() == {}
    assert models.loads.count("good") == 1
