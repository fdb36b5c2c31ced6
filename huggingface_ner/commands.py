"""What each command of ``python -m huggingface_ner`` does.

Heavy imports are inside the commands, so that --help and a wrong option answer at once.
"""
# ruff: noqa: PLC0415

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from huggingface_ner.label_studio.labeling_config import LabelingConfig
    from huggingface_ner.scores import Evaluation
    from huggingface_ner.spans import AnnotatedText
    from huggingface_ner.store.versions import ModelStore
    from huggingface_ner.tagging.tagger import Tagger


class InputError(HuggingFaceNERError):
    """A file given on the command line that cannot be used; the message names it and says what is needed."""


# Texts are tagged so many at a time, which is how often a progress bar moves.
TEXTS_AT_A_TIME = 100


def serve(options: argparse.Namespace, settings: Settings) -> None:
    """Serve Label Studio until stopped."""
    if settings.redis_url is None:
        from huggingface_ner.jobs.embedded import serve_with_training

        serve_with_training(settings)
    else:
        from huggingface_ner.server.gunicorn import serve as serve_app

        serve_app(settings)


def worker(options: argparse.Namespace, settings: Settings) -> None:
    """Run the trainings that wait in Redis, until stopped."""
    from huggingface_ner.jobs.worker import run_worker

    run_worker(settings)


def status(options: argparse.Namespace, settings: Settings) -> None:
    """Print what the training of each project is at."""
    from redis import RedisError

    from huggingface_ner.jobs.queue import TrainingQueue
    from huggingface_ner.jobs.redis_connection import QueueError, connect, queue_url

    url = queue_url(settings)
    if url is None:
        raise QueueError("REDIS_URL is not set, and no server runs a training queue of its own in MODEL_DIR")
    queue = TrainingQueue(connect(url), settings)
    try:
        projects = [options.project] if options.project is not None else queue.projects()
        statuses = [queue.status(project_id) for project_id in projects]
    except RedisError as error:
        raise QueueError(f"the training queue does not answer: {error}") from error
    if options.json:
        print(json.dumps({"projects": statuses}, ensure_ascii=False))
    else:
        print("\n".join(_status_line(status) for status in statuses) or "no project has been annotated yet")


def _status_line(status: dict[str, Any]) -> str:
    line = f"project {status['project']}: {status['state']}"
    run, last = status.get("run"), status.get("last")
    if run:
        line += f", {run['phase']}"
        if run["steps"]:
            left = "" if run["seconds_left"] is None else f", {run['seconds_left']:.0f} s left"
            line += (
                f" {run['percent']:.0f} % (step {run['step']} of {run['steps']}, epoch {run['epoch']:.1f}{left})"
            )
        line += "; another waits" if status["waiting"] else ""
    if last:
        scores = [f"{last[name]:.3f}" for name in ("f1", "f1_before") if last[name] is not None]
        line += f"; last: {last['status']}, {last['reason']}" + (
            f" (F1 {', before '.join(scores)})" if scores else ""
        )
    return line


def health(options: argparse.Namespace, settings: Settings) -> None:
    """Print how the server on this machine is, or its worker."""
    if options.worker:
        from huggingface_ner.jobs.worker import ask_worker_health

        print(ask_worker_health(settings))
    else:
        from huggingface_ner.server.probe import ask_health

        print(ask_health(settings))


def train(options: argparse.Namespace, settings: Settings) -> None:
    """Fine-tune a model, save it or publish it for a project, and print its scores on the tasks held out."""
    from huggingface_ner.engines.cores import take_cores
    from huggingface_ner.learning.starting_model import starting_model
    from huggingface_ner.store.model_folder import check_can_save

    # a service may run beside it, as beside a worker's trainings
    take_cores(settings.training_threads)
    if options.out is not None:
        check_can_save(options.out)
    config = _read_config(options.config)
    gold = _read_gold(options.tasks, config, settings)
    baseline = options.baseline or starting_model(settings.baseline_model_name, is_set=settings.baseline_is_set)
    with tqdm(desc="training", unit="step", disable=None) as bar:

        def show(step: int, steps: int) -> None:
            bar.total = steps
            bar.update(step - bar.n)

        run = _train_into_folder if options.out is not None else _train_for_project
        told = run(options, settings, config, gold, baseline=baseline, show=show)
    print(told)


def _train_into_folder(
    options: argparse.Namespace,
    settings: Settings,
    config: "LabelingConfig",
    gold: list["AnnotatedText"],
    *,
    baseline: str | Path,
    show: Callable[[int, int], None],
) -> str:
    from huggingface_ner.learning.dataset import split_held_out
    from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
    from huggingface_ner.store.model_folder import save_model
    from huggingface_ner.tagging.loading import tagger_of_model

    learned, held_out = split_held_out(gold, options.held_out)
    model, tokenizer = fine_tune(
        learned,
        config.label_names,
        baseline,
        Hyperparameters(settings.learning_rate, settings.num_train_epochs, settings.weight_decay, options.seed),
        match_labels=config.match_labels,
        device=settings.device,
        progress=lambda step, steps, epoch: show(step, steps),
    )
    scores = _evaluate(tagger_of_model(model, tokenizer), config, held_out) if held_out else None
    save_model(model, tokenizer, options.out)
    told = f"{options.out}: trained on {len(learned)} texts, {len(held_out)} held out"
    return f"{told}\n{_score_table(scores)}" if scores else told


def _train_for_project(
    options: argparse.Namespace,
    settings: Settings,
    config: "LabelingConfig",
    gold: list["AnnotatedText"],
    *,
    baseline: str | Path,
    show: Callable[[int, int], None],
) -> str:
    from huggingface_ner.learning.spool import Spool
    from huggingface_ner.learning.version import train_version
    from huggingface_ner.store.versions import project_store

    with TemporaryDirectory(prefix="huggingface-ner-") as folder, Spool(Path(folder) / "texts.jsonl") as spool:
        for text in gold:
            spool.add(text)
        outcome = train_version(
            spool,
            config,
            project_store(settings, options.project),
            baseline,
            settings,
            report=lambda progress: show(progress.step, progress.steps) if progress.steps else None,
            held_out_share=options.held_out,
            seed=options.seed,
        )
    version = f"{outcome.version}: " if outcome.version else ""
    scores = [f"{score:.3f}" for score in (outcome.f1, outcome.f1_before) if score is not None]
    return f"{version}{outcome.status}: {outcome.reason}" + (f" (F1 {', before '.join(scores)})" if scores else "")


def predict(options: argparse.Namespace, settings: Settings) -> None:
    """Write a file of tasks with predictions that Label Studio imports."""
    from huggingface_ner.label_studio.predictions import predict_tasks
    from huggingface_ner.label_studio.tasks import task_reader
    from huggingface_ner.tagging.loading import load_tagger

    config = _read_config(options.config)
    tasks = _read_tasks(options.tasks)
    tagger = load_tagger(options.model, device=settings.device, preference=settings.engine_preference)
    reader = task_reader(settings)
    names = config.match_labels(tagger.labels)
    version = "_".join(options.model.resolve().name.split())
    imported: list[dict[str, Any]] = []
    with tqdm(desc="predicting", unit="task", total=len(tasks), disable=None) as bar:
        for start in range(0, len(tasks), TEXTS_AT_A_TIME):
            some = tasks[start : start + TEXTS_AT_A_TIME]
            predictions = predict_tasks(some, config, names, reader, tagger.tag)
            for task, prediction in zip(some, predictions, strict=True):
                kept: dict[str, Any] = {key: task[key] for key in ("id", "data", "meta") if key in task}
                imported.append({**kept, "predictions": [{**prediction, "model_version": version}]})
            bar.update(len(some))
    options.out.write_text(json.dumps(imported, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    regions = sum(len(task["predictions"][0]["result"]) for task in imported)
    print(f"{options.out}: {regions} regions in {len(imported)} tasks")


def evaluate(options: argparse.Namespace, settings: Settings) -> None:
    """Print strict precision, recall and F1 on annotated tasks."""
    from huggingface_ner.tagging.loading import load_tagger

    config = _read_config(options.config)
    gold = _read_gold(options.tasks, config, settings)
    scores = _evaluate(
        load_tagger(options.model, device=settings.device, preference=settings.engine_preference), config, gold
    )
    if options.json:
        print(json.dumps(scores.as_dict(), ensure_ascii=False))
    else:
        print(_score_table(scores))


def versions(options: argparse.Namespace, settings: Settings) -> None:
    """List the models of all projects, let one serve, or delete one."""
    from huggingface_ner.store.versions import StoreError, project_stores

    stores = project_stores(settings)
    if options.action == "list":
        _print_versions(stores)
        return
    if options.version is None:
        raise StoreError(f"versions {options.action}: name a version; `versions list` shows them")
    for store in stores.values():
        if options.version in [version.name for version in store.versions()]:
            if options.action == "use":
                store.use(options.version)
                print(f"{options.version}: serves in a few seconds, until the next training publishes")
            else:
                store.remove(options.version)
                print(f"{options.version}: removed")
            return
    raise StoreError(f"{options.version}: there is no such version; `versions list` shows those that there are")


def _print_versions(stores: "dict[int, ModelStore]") -> None:
    print(f"{'project':>7}  {'version':20}  {'serves':6}  {'f1':>6}  trained on")
    for project_id, store in stores.items():
        current = store.current()
        for version in store.versions():
            f1 = version.metrics.get("f1")
            shown = f"{f1:.3f}" if isinstance(f1, float) else "-"
            serves = "yes" if version.name == current else ""
            trained = version.metrics.get("trained", "-")
            print(f"{project_id:7}  {version.name:20}  {serves:6}  {shown:>6}  {trained}")


def _evaluate(tagger: "Tagger", config: "LabelingConfig", gold: Sequence["AnnotatedText"]) -> "Evaluation":
    from huggingface_ner.learning.evaluation import evaluate_tagger

    with tqdm(desc="evaluating", unit="text", total=len(gold), disable=None) as bar:
        return evaluate_tagger(tagger, gold, config.match_labels, bar.update)


def _score_table(scores: "Evaluation") -> str:
    rows = [("all", scores.overall), *scores.by_label.items()]
    width = max(len(label) for label, _ in rows)
    lines = [f"{'':{width}}  precision  recall      f1  gold"]
    for label, of in rows:
        lines.append(f"{label:{width}}  {of.precision:9.3f}  {of.recall:6.3f}  {of.f1:6.3f}  {of.gold:4}")
    return "\n".join(lines)


def _read_config(path: Path) -> "LabelingConfig":
    from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config

    try:
        return parse_labeling_config(path.read_text(encoding="utf-8-sig"))
    except (LabelingConfigError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _read_tasks(path: Path) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path}: it is no JSON: {error}") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"{path}: a list of tasks is needed, as Label Studio exports them with JSON")
    # the shortest form that Label Studio imports has the data alone
    return [task if "data" in task else {"data": task} for task in tasks]


def _read_gold(path: Path, config: "LabelingConfig", settings: Settings) -> list["AnnotatedText"]:
    from huggingface_ner.label_studio.gold import read_gold
    from huggingface_ner.label_studio.tasks import task_reader

    gold = list(read_gold(_read_tasks(path), config, task_reader(settings)))
    if not gold:
        raise InputError(
            f"{path}: no task in it has an annotation that is not cancelled and a text that can be read; "
            "annotate some and export them with JSON"
        )
    return gold
