"""One training run on a stand-in of Label Studio's API, with a tiny model."""

import json
from pathlib import Path
from typing import Any

import pytest

from huggingface_ner.engines.pretrained import load_tokenizer
from huggingface_ner.jobs import train
from huggingface_ner.jobs.process import RUN_ID
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import as_text, connect
from huggingface_ner.jobs.review_tab import show_tasks_to_review
from huggingface_ner.jobs.train import run_training
from huggingface_ner.label_studio.addresses import project_address
from huggingface_ner.label_studio.client import ClientError, LabelStudioClient
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning import version as version_module
from huggingface_ner.learning.calibration import prior_calibration
from huggingface_ner.learning.held_out import HELD_OUT_SHARE, divide
from huggingface_ner.learning.progress import Outcome, RunProgress
from huggingface_ner.settings import Settings
from huggingface_ner.store.review_file import read_review
from huggingface_ner.store.split_file import Split
from huggingface_ner.store.versions import ModelStore, project_store
from huggingface_ner.tagging.loading import load_fine_tuned, load_tagger
from huggingface_ner.tagging.reading import Reading
from tests.label_studio.test_review_tab import shown
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi

NAMES = {"Anna": "PER", "Kovács": "PER", "Zürich": "LOC", "Paulo": "LOC"}


def config(*labels: str) -> str:
    inner = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<View><Labels name="l" toName="t">{inner}</Labels><Text name="t" value="$t"/></View>'


def tasks(count: int, names: dict[str, str] = NAMES) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        name = list(names)[number % len(names)]
        value = {"start": 0, "end": len(name), "labels": [names[name]]}
        region = {"from_name": "l", "to_name": "t", "type": "labels", "value": value}
        made.append({"id": number + 1, "data": {"t": f"{name} flew ."}, "annotations": [{"result": [region]}]})
    return made


@pytest.fixture
def training(
    label_studio_api: LabelStudioApi, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings for a training that takes only seconds."""
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 150)
    monkeypatch.setattr(fine_tuning, "SMALL_ENCODER_RATE", 1e-2)
    return Settings(
        model_dir=tmp_path / "models",
        baseline_model_name=str(tiny_bert),
        label_studio_host=label_studio_api.url,
        label_studio_api_key=LEGACY_TOKEN,
        learning_rate=2e-2,
        num_train_epochs=1,
        device="cpu",
    )


def _run(settings: Settings) -> Outcome:
    return run_training(7, settings, LabelStudioClient(settings), lambda progress: None)


def _store(settings: Settings) -> ModelStore:
    return project_store(settings.models_folder, 7)


def _held_out(settings: Settings) -> frozenset[str]:
    split = _store(settings).split()
    assert split is not None
    return split.held_out


def test_a_project_is_trained_scored_and_published(label_studio_api: LabelStudioApi, training: Settings) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(40))
    seen: list[RunProgress] = []
    outcome = run_training(7, training, LabelStudioClient(training), seen.append)
    assert outcome.status == "published"
    version = _store(training).current_version()
    assert version is not None
    assert version.name == outcome.version
    metrics = version.metrics
    assert outcome.f1 is not None
    assert outcome.f1_before is not None
    assert metrics["f1"] == outcome.f1 > 0.9
    assert metrics["f1_before"] == outcome.f1_before < outcome.f1, (
        "the baseline is scored too, because it has a head with random weights"
    )
    assert (metrics["tasks"], metrics["spans"], metrics["trained"] + metrics["held_out"]) == (40, 40, 40)
    assert metrics["label_names"] == ["PER", "LOC"]
    assert set(metrics["labels"]) <= {"PER", "LOC"}
    assert metrics["settings"]["learning_rate"] == 2e-2
    assert (metrics["baseline"], metrics["baseline_source"]) == (training.baseline_model_name, "folder")
    assert metrics["unknown_tokens"]["tokens"] == 40 * len(("Anna", "flew", "."))
    assert metrics["unknown_tokens"]["warning"] == ""
    assert metrics["seconds"] > 0
    assert metrics["engine"]["engine"] == str(load_tagger(version.folder, device="cpu").choice.kind)
    assert metrics["engine"]["reason"]
    reading = Reading.of_model(load_fine_tuned(version.folder, "cpu")[0])
    assert reading.calibrations is not None
    assert reading.calibrations[0] != prior_calibration(metrics["label_spans"]["PER"]), (
        "the calibration is fitted to the tasks held out"
    )
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["downloading", "training", "evaluating", "saving", "publishing", "trying engines"]
    last = [progress for progress in seen if progress.phase == "training"][-1]
    assert (last.step, last.steps, last.percent, last.seconds_left) == (150, 150, 100.0, 0.0)
    assert load_tagger(version.folder, device="cpu").find_spans(["Anna flew ."])[0][0].label == "PER"


def test_a_version_is_published_before_engines_are_tried(
    label_studio_api: LabelStudioApi,
    training: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    published: list[str | None] = []

    def fail(*_: object, **__: object) -> None:
        published.append(_store(training).current())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(version_module, "prepare_engine", fail)
        outcome = _run(training)
    assert outcome.status == "published"
    assert published == [outcome.version]
    assert f"{outcome.version}: no engine could be tried" in caplog.text
    version = _store(training).current_version()
    assert version is not None
    assert "engine" not in version.metrics
    assert load_tagger(version.folder, device="cpu").choice.reason == "no other engine has been tried"
    assert _run(training).status == "unchanged"
    tried = _store(training).current_version()
    assert tried is not None
    assert tried.metrics == {**version.metrics, "engine": tried.metrics["engine"]}
    assert tried.metrics["engine"]["samples"] > tried.metrics["held_out"] > 0
    tagger = load_tagger(version.folder, device="cpu", preference=training.engine_preference)
    assert tagger.choice.reason == tried.metrics["engine"]["reason"]
    monkeypatch.setattr(version_module, "prepare_engine", fail)
    assert _run(training).status == "unchanged", "engines are tried once"
    assert len(published) == 1


def test_the_same_data_is_not_trained_again(label_studio_api: LabelStudioApi, training: Settings) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    first = _run(training)
    again = _run(training)
    assert (again.status, again.version, again.f1) == ("unchanged", first.version, first.f1)
    assert len(_store(training).versions()) == 1
    for changed in (
        training.model_copy(update={"learning_rate": 1e-2}),
        training.model_copy(update={"num_train_epochs": 2.0}),
    ):
        assert _run(changed).status != "unchanged"


def test_a_worse_model_is_not_published(label_studio_api: LabelStudioApi, training: Settings) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(60))
    good = _run(training)
    held_out = _held_out(training)
    for task in label_studio_api.tasks[7]:
        if str(task["id"]) not in held_out:  # spoil the tasks that are learned from
            task["annotations"] = [{"result": []}]
    bad = _run(training)
    assert bad.status == "refused"
    assert bad.f1 is not None
    assert bad.f1_before == good.f1
    assert "F1_TOLERANCE=0.05" in bad.reason
    assert _store(training).current() == good.version
    (training.models_folder / "7" / "current").write_bytes(b"")
    assert _run(training).status == "refused", "a worse model is not published, although the pointer is damaged"
    assert _run(training.model_copy(update={"f1_tolerance": 1.0})).status == "published"


def test_a_project_that_has_become_small_is_still_compared(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(60))
    good = _run(training)
    held_out = _held_out(training)
    few = [task for task in tasks(60) if str(task["id"]) in held_out][:6]
    spoiled = [{**task, "annotations": [{"result": []}]} for task in tasks(60) if str(task["id"]) not in held_out]
    label_studio_api.add(7, config("PER", "LOC"), [*few, *spoiled[:10]])
    assert _run(training).status == "refused"
    assert _store(training).current() == good.version


def test_a_version_that_cannot_be_loaded_is_trained_again(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    _run(training)
    version = _store(training).current_version()
    assert version is not None
    (version.folder / "model.safetensors").write_bytes(b"broken")
    assert _run(training).status == "published"


def test_a_small_project_is_learned_completely_and_the_next_version_scored_on_new_tasks(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(10))
    first = _run(training)
    assert (first.status, first.f1, first.f1_before) == ("published", None, None)
    assert first.version is not None
    model, _ = load_fine_tuned(training.models_folder / "7" / first.version, "cpu")
    assert Reading.of_model(model).calibrations == (prior_calibration(10),), (
        "there are no held-out tasks to fit it to"
    )
    assert first.reason == "trained on 10 tasks; not scored yet (needs 20 annotated tasks)"
    label_studio_api.add(7, config("PER", "LOC"), tasks(30))
    second = _run(training)
    assert second.f1 is not None
    assert second.f1_before is not None
    assert _held_out(training) <= {str(number) for number in range(11, 31)}, (
        "the first version has learned from tasks 1 to 10"
    )
    assert second.version is not None
    (training.models_folder / "7" / second.version / "metrics.json").write_bytes(b"{")
    label_studio_api.add(7, config("PER", "LOC"), tasks(31))
    third = _run(training)
    assert (third.status, third.f1_before) == ("published", None)
    assert f"the metrics.json of {second.version} cannot be read" in third.reason


@pytest.mark.parametrize(
    ("xml", "annotated", "reason"),
    [
        ("<View><Text name='t' value='$t'/></View>", tasks(5), "no control labels text"),
        ("<View", tasks(5), "not well-formed XML"),
        (config("PER"), [], "no task has an annotation"),
        (config("PER"), [{**tasks(1)[0], "annotations": [{"was_cancelled": True, "result": []}]}], "no task has"),
        (config("PER"), [{**tasks(1)[0], "data": {"other": 1}}], "no task has an annotation"),
    ],
)
def test_a_run_is_skipped_if_there_is_nothing_to_learn(
    label_studio_api: LabelStudioApi, training: Settings, xml: str, annotated: list[dict[str, Any]], reason: str
) -> None:
    label_studio_api.add(7, xml, annotated)
    outcome = _run(training)
    assert outcome.status == "skipped"
    assert reason in outcome.reason
    assert _store(training).versions() == []


def test_labels_come_and_go(label_studio_api: LabelStudioApi, training: Settings) -> None:
    def served_labels() -> tuple[str, ...]:
        version = _store(training).current_version()
        assert version is not None
        return load_tagger(version.folder, device="cpu").labels

    tolerant = training.model_copy(update={"f1_tolerance": 1.0})
    label_studio_api.add(7, config("PER"), tasks(24, {"Anna": "PER", "Kovács": "PER"}))
    assert _run(tolerant).status == "published"
    assert served_labels() == ("PER",)
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    assert _run(tolerant).status == "published"
    label_studio_api.add(7, config("Person", "LOC"), tasks(24, {**NAMES, "Anna": "Person", "Kovács": "Person"}))
    assert _run(tolerant).status == "published"
    assert served_labels() == ("Person", "LOC")
    label_studio_api.add(7, config("LOC"), tasks(24))  # regions with a removed label are left out
    assert _run(tolerant).status == "published"
    assert served_labels() == ("LOC",)
    label_studio_api.add(7, config("LOC"), tasks(5))
    assert _run(tolerant).status == "published", "the model is published, although tasks were deleted"


def test_regions_that_are_left_out_are_reported(
    label_studio_api: LabelStudioApi, training: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Regions of a renamed label are reported as not used, until the new label names the old one."""
    renamed = config("PER", "LOC").replace('value="LOC"', 'value="Ort"')
    annotated = tasks(40)
    salt = project_address(training.label_studio_host, 7)
    held_out = divide({str(task["id"]) for task in annotated}, Split(), HELD_OUT_SHARE, salt).held_out
    learned = [task for task in annotated if str(task["id"]) not in held_out]
    nested = next(task for task in learned if task["data"]["t"].startswith("Anna"))
    for end in (3, 2, 1):  # more nested levels than a model learns
        inner = {"from_name": "l", "to_name": "t", "value": {"start": 0, "end": end, "labels": ["PER"]}}
        nested["annotations"][0]["result"].append(inner)
    label_studio_api.add(7, renamed, [*annotated, {**tasks(1)[0], "id": 99, "data": {}}])
    outcome = _run(training)
    version = _store(training).current_version()
    assert version is not None
    metrics = version.metrics
    assert outcome.left_out == metrics["left_out"]
    assert metrics["left_out"]["regions"] == {
        "unknown_label": {"LOC": 20},
        "inside": {"PER": 1},
        "no_text": {"PER": 1},
    }
    assert (metrics["left_out"]["regions_seen"], metrics["left_out"]["tasks"]) == (44, {"unreadable": 1})
    assert metrics["left_out"]["labels"] == ["Ort"]
    assert metrics["left_out"]["summary"].endswith("; no examples of Ort")
    assert 0 < metrics["gold_left_out"] < 20
    held_out = metrics["gold"] + metrics["gold_left_out"]
    assert held_out - metrics["held_out"] in (0, 3), (
        "each text has one region, except the text with nested regions, which has four"
    )
    assert outcome.f1_basis == f"{metrics['gold']} of {held_out} regions"
    assert "project 7, 'news': 22 of 44 regions were not used: 20 LOC have labels that are not in" in caplog.text

    unchanged = _run(training)
    assert (unchanged.status, unchanged.f1_basis) == ("unchanged", outcome.f1_basis)
    assert unchanged.left_out == outcome.left_out

    named = renamed.replace('value="Ort"', 'value="Ort" predicted_values="LOC"')
    label_studio_api.add(7, named, annotated)
    outcome = _run(training.model_copy(update={"f1_tolerance": 1.0}))
    assert outcome.left_out is not None
    assert outcome.left_out["regions"] == {"inside": {"PER": 1}}
    assert outcome.left_out["labels"] == []
    assert (outcome.status, outcome.f1_basis) == ("published", None)


def test_a_language_that_the_baseline_does_not_know_is_reported(
    label_studio_api: LabelStudioApi, training: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"አዲስ": "PER", "አበባ": "LOC"}
    annotated = tasks(40, names)
    label_studio_api.add(7, config("PER", "LOC"), annotated)
    tokenizer = load_tokenizer(training.baseline_model_name)
    tokens = sum(len(tokenizer(task["data"]["t"], add_special_tokens=False)["input_ids"]) for task in annotated)
    outcome = _run(training)
    version = _store(training).current_version()
    assert version is not None
    counted = version.metrics["unknown_tokens"]
    assert version.metrics["held_out"] == 8
    assert (counted["tokens"], counted["unknown"]) == (tokens, 40), "also those of the held-out texts"
    assert (counted["share"], counted["encoder"]) == (round(40 / tokens, 4), training.baseline_model_name)
    assert f"unknown to the baseline {training.baseline_model_name}" in counted["warning"]
    assert outcome.unknown_tokens == counted
    (record,) = [record for record in caplog.records if counted["warning"] in record.getMessage()]
    assert (record.levelname, record.getMessage()[:19]) == ("WARNING", "project 7, 'news': ")

    unchanged = _run(training)
    assert (unchanged.status, unchanged.unknown_tokens) == ("unchanged", counted)
    held_out = _held_out(training)
    for task in annotated:
        if str(task["id"]) not in held_out:  # spoil the tasks that are learned from
            task["annotations"] = [{"result": []}]
    label_studio_api.add(7, config("PER", "LOC"), annotated)
    spoiled = _run(training)
    # refused only if the held-out tasks, which are drawn by chance, show that it is worse
    assert spoiled.status in ("refused", "published")
    assert spoiled.unknown_tokens == counted


def test_a_full_disk_leaves_the_serving_version(
    label_studio_api: LabelStudioApi, training: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(10))
    served = _run(training).version
    label_studio_api.add(7, config("PER", "LOC"), tasks(12))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(version_module, "write_model", full)
    outcome = train._outcome(7, training, None, lambda progress: None)
    assert (outcome.status, outcome.retryable) == ("failed", True)
    assert "No space left on device" in outcome.reason
    assert _store(training).current() == served
    assert [path.name for path in (training.models_folder / "7").iterdir() if path.is_dir()] == [served]


@pytest.mark.parametrize(
    ("change", "reason", "again"),
    [
        ({"label_studio_api_key": None}, "LABEL_STUDIO_API_KEY is not set", False),
        ({"label_studio_host": "http://127.0.0.1:1"}, "does not answer", True),
        ({"baseline_model_name": "./gone"}, "no such model folder", False),
    ],
)
def test_a_failed_run_says_what_to_do(
    label_studio_api: LabelStudioApi, training: Settings, change: dict[str, Any], reason: str, again: bool
) -> None:
    label_studio_api.add(7, config("PER"), tasks(5))
    values = {name: getattr(training, name) for name in training.model_fields_set}
    outcome = train._outcome(7, Settings(**{**values, **change}), None, lambda progress: None)
    assert (outcome.status, outcome.retryable) == ("failed", again)
    assert reason in outcome.reason


@pytest.mark.parametrize("seen_by", [None, "event", "release 0.2.0"])
def test_a_project_of_which_only_a_training_was_requested_is_forgotten_if_it_does_not_exist(
    seen_by: str | None,
    training: Settings,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = TrainingQueue(connect(redis_url, timeout=5.0), training)
    if seen_by == "event":
        queue.notes.note_event(999, "News")
    elif seen_by is not None:
        queue.rq.connection.hset(queue.notes._project_key(999), "updates", 3)
    queue.request_training(999)
    run = queue.begin(999)
    assert run is not None
    monkeypatch.setattr(train, "begin_job", lambda: (training, queue))
    monkeypatch.setenv(RUN_ID, run.id)
    train.train_project(999)
    assert not queue.end(run, Outcome.failed("killed", retryable=True)), "the run has ended"
    assert "has no project 999" in caplog.text
    if seen_by is not None:
        assert (queue.status(999)["state"], "has no project 999" in queue.status(999)["reason"]) == (
            "parked",
            True,
        )
    else:
        left = [key for key in connect(redis_url).scan_iter() if not as_text(key).endswith(":expected")]
        assert left == [], "the remaining key expires, and belongs to all projects"


def test_an_unexpected_error_is_a_failure_with_a_reason(
    training: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run_training", lambda *_: 1 / 0)
    outcome = train._outcome(7, training, None, lambda progress: None)
    assert (outcome.status, outcome.retryable) == ("failed", True)
    assert outcome.reason == "ZeroDivisionError: division by zero: the current model stays in use"


def _review(settings: Settings) -> dict[str, Any]:
    version = _store(settings).current_version()
    assert version is not None
    return dict(read_review(version.folder))


def test_what_to_look_at_is_found_and_shown_as_a_tab(label_studio_api: LabelStudioApi, training: Settings) -> None:
    """Two people annotate the same tasks; one of them labels Anna as a place in one task."""
    label_studio_api.users = [{"id": 1, "username": "a", "first_name": "Ada"}, {"id": 2, "username": "b"}]
    twice = tasks(24)
    for number, task in enumerate(twice, start=1):
        (annotation,) = task["annotations"]
        second = {"completed_by": 2, "result": tasks(1, {"Anna": "LOC"})[0]["annotations"][0]["result"]}
        task["annotations"] = [
            {**annotation, "id": 2 * number, "completed_by": 1},
            {**annotation, "id": 2 * number + 1, "completed_by": 2, **(second if number == 1 else {})},
        ]
    label_studio_api.add(7, config("PER", "LOC"), twice)
    assert _run(training).status == "published"
    assert label_studio_api.views == [], "nobody has requested a tab"
    review = _review(training)
    assert review["annotators"] == {"1": "Ada", "2": "b"}
    assert [one["task"] for one in review["agreement"]["disputed"]] == ["1"]
    assert review["agreement"]["tasks"] == 24
    assert "1" in [one["task"] for one in review["dubious"]]
    (anna,) = review["contradictions"]["strings"]
    assert (anna["string"], anna["examples"][0]["task"]) == ("Anna", "1")

    store, client = _store(training), LabelStudioClient(training)
    assert show_tasks_to_review(client, 7, store, create=True) is not None
    assert 1 in shown(label_studio_api.views[-1])
    twice[0]["annotations"][1]["ground_truth"] = True
    twice[0]["annotations"][1]["result"] = twice[0]["annotations"][0]["result"]
    assert _run(training).status == "published"
    assert _review(training)["agreement"]["disputed"] == _review(training)["contradictions"]["strings"] == []
    assert 1 not in shown(label_studio_api.views[-1]), "the tab is kept up to date"

    twice[3]["annotations"][0]["result"] = []
    twice[3]["annotations"][1]["ground_truth"] = True
    assert _run(training).status == "unchanged"
    agreement = _review(training)["agreement"]
    assert (agreement["f1"], agreement["disputed"]) == (pytest.approx(2 * 23 / 47), [])
    label_studio_api.views.clear()
    assert _run(training).status == "unchanged"
    assert label_studio_api.views == [], "a tab that was deleted is not made again"


def test_a_training_does_not_fail_without_names_or_tab(
    label_studio_api: LabelStudioApi, training: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ClientError("no", retryable=False)

    for name in ("annotator_names", "show_tasks_to_review"):
        monkeypatch.setattr(train, name, fails)
    label_studio_api.add(7, config("PER", "LOC"), tasks(4))
    assert _run(training).status == "published"
    assert _review(training)["annotators"] == {}


def test_a_model_that_is_refused_still_finds_what_to_look_at(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(60))
    assert _run(training).status == "published"
    assert _review(training)["contradictions"]["strings"] == []
    held_out = _held_out(training)
    for task in label_studio_api.tasks[7]:
        if str(task["id"]) not in held_out:
            task["annotations"] = [{"result": []}]
    assert _run(training).status == "refused"
    assert _review(training)["contradictions"]["strings"] != []


def test_a_task_is_held_out_or_learned_from_and_stays_so(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    store, seen = _store(training), []
    for count in (10, 20, 30):
        label_studio_api.add(7, config("PER", "LOC"), tasks(count))
        assert _run(training.model_copy(update={"f1_tolerance": 1.0})).status == "published"
        seen.append(store.split())
        version = store.current_version()
        assert version is not None
        assert version.metrics["held_out_tasks"] == version.metrics["held_out"] == {10: 0, 20: 4, 30: 6}[count]
    first, second, third = seen
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.held_out <= third.held_out
    assert first.learned <= second.learned <= third.learned
    assert not third.held_out & second.learned


def test_the_tasks_held_out_of_a_refused_version_stay_so(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(40))
    _run(training)
    first, salt = _store(training).split(), project_address(training.label_studio_host, 7)
    assert first is not None
    held_out = divide({str(number) for number in range(1, 51)}, first, HELD_OUT_SHARE, salt).held_out
    right = [task for task in tasks(50) if str(task["id"]) in held_out]
    spoiled = [{**task, "annotations": [{"result": []}]} for task in tasks(50) if task not in right]
    label_studio_api.add(7, config("PER", "LOC"), [*right, *spoiled])
    assert _run(training).status == "refused"
    split = _store(training).split()
    assert split is not None
    assert first.held_out < split.held_out == held_out
    assert split.learned == first.learned, (
        "tasks that only the refused model has learned from can be held out later"
    )


def _make_older(settings: Settings, **changes: Any) -> str:
    """Turn the current version into one of release 0.2.0, which did not store the held-out tasks."""
    version = _store(settings).current_version()
    assert version is not None
    metrics = {**version.metrics, **changes}
    del metrics["held_out_tasks"]
    (version.folder / "metrics.json").write_text(json.dumps(metrics))
    (settings.models_folder / "7" / "split.json").unlink()
    return version.name


def test_what_an_older_release_held_out_stays_so(label_studio_api: LabelStudioApi, training: Settings) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(40))
    _run(training)
    _make_older(training)
    label_studio_api.add(7, config("PER", "LOC"), tasks(41))
    outcome = _run(training)
    assert outcome.f1_before is not None
    assert outcome.reason == "trained on 38 tasks, scored on 3"
    assert _held_out(training) == {"8", "9", "39"}
    label_studio_api.add(7, config("PER", "LOC"), tasks(60))
    assert _run(training).f1_before is not None
    assert _held_out(training) & {str(number) for number in range(1, 42)} == {"8", "9", "39"}
    assert len(_held_out(training)) == 12


def test_a_version_of_an_older_release_that_has_learned_all_tasks_is_not_compared(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(10))
    _run(training)
    _make_older(training)
    label_studio_api.add(7, config("PER", "LOC"), tasks(30))
    outcome = _run(training)
    assert (outcome.f1_before, len(_held_out(training))) == (None, 6)
    assert "not compared: the previous version was trained on all tasks" in outcome.reason


def test_a_version_whose_tasks_are_not_known_is_not_compared(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(30))
    first = _run(training).version
    assert first is not None
    (training.models_folder / "7" / "split.json").write_bytes(b"{")
    label_studio_api.add(7, config("PER", "LOC"), tasks(31))
    second = _run(training)
    assert (second.status, second.f1_before) == ("published", None)
    assert f"not known which tasks {first} and earlier versions were trained on" in second.reason
    label_studio_api.add(7, config("PER", "LOC"), tasks(40))
    assert _run(training).f1_before is not None
    _store(training).use(first)
    label_studio_api.add(7, config("PER", "LOC"), tasks(41))
    assert _run(training).f1_before is None


def _suggest(task: dict[str, Any], version: str, *, end: int) -> dict[str, Any]:
    """Return a task with a version's suggestion of its first ``end`` characters, made before the annotation."""
    (annotation,) = task["annotations"]
    value = {**annotation["result"][0]["value"], "end": end}
    prediction = {
        "id": task["id"],
        "model_version": version,
        "result": [{**annotation["result"][0], "value": value}],
        "created_at": "2026-11-24T21:48:05.000000Z",
    }
    return {**task, "predictions": [prediction]}


def test_what_annotators_did_with_suggestions_is_noted_with_their_version(
    label_studio_api: LabelStudioApi, training: Settings
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(10))
    first = _run(training)
    assert (first.accepted, first.version is not None) == (None, True)
    # of the names, only Anna has four letters
    suggested = [_suggest(task, str(first.version), end=4) for task in tasks(20)[10:]]
    label_studio_api.add(7, config("PER", "LOC"), [*tasks(10), *suggested])
    outcome = _run(training)
    accepted = {"version": first.version, "tasks": 10, "suggested": 10, "accepted": 2, "changed": 8}
    assert outcome.accepted is not None
    assert outcome.accepted.items() >= {**accepted, "deleted": 0, "missing": 0, "share": 0.2}.items()
    history = {entry.version: entry.suggestions for entry in _store(training).history()}
    assert history[str(outcome.version)] is None
    assert history[str(first.version)] is not None

    again = _run(training)
    assert (again.status, again.accepted) == ("unchanged", outcome.accepted), "nothing is counted twice"
    label_studio_api.add(7, config("PER", "LOC"), [*tasks(10), *suggested[:5]])
    assert _run(training).accepted == outcome.accepted, "the counts stay, although five tasks were deleted"
