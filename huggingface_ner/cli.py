"""python -m huggingface_ner serve | worker | health | train | predict | evaluate.

Heavy imports are inside the commands, so that --help and a wrong option answer at once.
"""
# ruff: noqa: PLC0415

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from huggingface_ner.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from huggingface_ner.label_studio.labeling_config import LabelingConfig
    from huggingface_ner.spans import AnnotatedText
    from huggingface_ner.tagging.tagger import Tagger
    from huggingface_ner.training.evaluation import Evaluation

# Texts are tagged so many at a time, which is how often a progress bar moves.
TEXTS_AT_A_TIME = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 where it failed, 2 for wrong options and settings."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen = {name: value for name in ("host", "port") if (value := getattr(options, name, None)) is not None}
    try:
        settings = read_settings(**chosen)
    except SettingsError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    configure_logging(settings)
    try:
        options.run(options, settings)
    except (ValueError, OSError) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def configure_logging(settings: Settings) -> None:
    """Log to standard error, one line an event."""
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request to the Hub


def serve(options: argparse.Namespace, settings: Settings) -> None:
    """Serve Label Studio until stopped."""
    from huggingface_ner.server.gunicorn import serve as serve_app

    serve_app(settings)


def worker(options: argparse.Namespace, settings: Settings) -> None:
    """Run the trainings that wait in Redis, until stopped."""
    from huggingface_ner.training.queue import run_worker

    run_worker(settings.redis_url)


def health(options: argparse.Namespace, settings: Settings) -> None:
    """Print how the server on this machine is."""
    from huggingface_ner.server.probe import ask_health

    print(ask_health(settings))


def train(options: argparse.Namespace, settings: Settings) -> None:
    """Fine-tune a model, save it, and print its scores on the tasks held out."""
    from huggingface_ner.tagging.tagger import Tagger
    from huggingface_ner.training.dataset import split_held_out
    from huggingface_ner.training.fine_tuning import Hyperparameters, fine_tune
    from huggingface_ner.training.model_folder import check_can_save, save_model

    check_can_save(options.out)
    config = _read_config(options.config)
    learned, held_out = split_held_out(_read_gold(options.tasks, config, settings), options.held_out)
    with tqdm(desc="training", unit="step", disable=None) as bar:

        def show(step: int, steps: int) -> None:
            bar.total = steps
            bar.update(step - bar.n)

        model, tokenizer = fine_tune(
            learned,
            config.label_names,
            options.baseline or _default_baseline(settings),
            Hyperparameters(
                settings.learning_rate, settings.num_train_epochs, settings.weight_decay, options.seed
            ),
            match_labels=config.match_labels,
            device=settings.device,
            progress=show,
        )
    save_model(model, tokenizer, options.out)
    print(f"{options.out}: trained on {len(learned)} texts, {len(held_out)} held out")
    if held_out:
        _print_scores(_evaluate(Tagger(model, tokenizer), config, held_out))


def predict(options: argparse.Namespace, settings: Settings) -> None:
    """Write a file of tasks with predictions that Label Studio imports."""
    from huggingface_ner.label_studio.predictions import predict_tasks
    from huggingface_ner.label_studio.tasks import task_reader
    from huggingface_ner.tagging.tagger import Tagger

    config = _read_config(options.config)
    tasks = _read_tasks(options.tasks)
    tagger = Tagger.load(options.model, device=settings.device)
    reader = task_reader(settings)
    names = config.match_labels(tagger.labels)
    version = "_".join(options.model.resolve().name.split())
    imported: list[dict[str, Any]] = []
    with tqdm(desc="predicting", unit="task", total=len(tasks), disable=None) as bar:
        for start in range(0, len(tasks), TEXTS_AT_A_TIME):
            some = tasks[start : start + TEXTS_AT_A_TIME]
            predictions = predict_tasks(some, config, names, reader, tagger.tag_scored)
            for task, prediction in zip(some, predictions, strict=True):
                kept: dict[str, Any] = {key: task[key] for key in ("id", "data", "meta") if key in task}
                imported.append({**kept, "predictions": [{**prediction, "model_version": version}]})
            bar.update(len(some))
    options.out.write_text(json.dumps(imported, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    regions = sum(len(task["predictions"][0]["result"]) for task in imported)
    print(f"{options.out}: {regions} regions in {len(imported)} tasks")


def evaluate(options: argparse.Namespace, settings: Settings) -> None:
    """Print strict precision, recall and F1 on annotated tasks."""
    from huggingface_ner.tagging.tagger import Tagger

    config = _read_config(options.config)
    gold = _read_gold(options.tasks, config, settings)
    scores = _evaluate(Tagger.load(options.model, device=settings.device), config, gold)
    if options.json:
        print(json.dumps(scores.as_dict(), ensure_ascii=False))
    else:
        _print_scores(scores)


def _evaluate(tagger: "Tagger", config: "LabelingConfig", gold: Sequence["AnnotatedText"]) -> "Evaluation":
    from huggingface_ner.spans import Span
    from huggingface_ner.training.dataset import drop_overlaps
    from huggingface_ner.training.evaluation import evaluate as score

    names = config.match_labels(tagger.labels)
    predicted = []
    with tqdm(desc="evaluating", unit="text", total=len(gold), disable=None) as bar:
        for start in range(0, len(gold), TEXTS_AT_A_TIME):
            some = gold[start : start + TEXTS_AT_A_TIME]
            for spans in tagger.tag([text.text for text in some]):
                predicted.append(
                    [Span(span.start, span.end, names[span.label]) for span in spans if span.label in names]
                )
            bar.update(len(some))
    return score([drop_overlaps(text.spans) for text in gold], predicted)


def _print_scores(scores: "Evaluation") -> None:
    rows = [("all", scores.overall), *scores.by_label.items()]
    width = max(len(label) for label, _ in rows)
    print(f"{'':{width}}  precision  recall      f1  gold")
    for label, of in rows:
        print(f"{label:{width}}  {of.precision:9.3f}  {of.recall:6.3f}  {of.f1:6.3f}  {of.gold:4}")


def _read_config(path: Path) -> "LabelingConfig":
    from huggingface_ner.label_studio.labeling_config import LabelingConfigError, parse_labeling_config

    try:
        return parse_labeling_config(path.read_text(encoding="utf-8-sig"))
    except (LabelingConfigError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _read_tasks(path: Path) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: it is no JSON: {error}") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"{path}: a list of tasks is needed, as Label Studio exports them with JSON")
    # the shortest form that Label Studio imports has the data alone
    return [task if "data" in task else {"data": task} for task in tasks]


def _read_gold(path: Path, config: "LabelingConfig", settings: Settings) -> list["AnnotatedText"]:
    from huggingface_ner.label_studio.gold import read_gold
    from huggingface_ner.label_studio.tasks import task_reader

    gold = list(read_gold(_read_tasks(path), config, task_reader(settings)))
    if not gold:
        raise ValueError(
            f"{path}: no task in it has an annotation that is not cancelled and a text that can be read; "
            "annotate some and export them with JSON"
        )
    return gold


def _default_baseline(settings: Settings) -> str | Path:
    from huggingface_ner.tagging.errors import ModelError
    from huggingface_ner.tagging.pretrained import load_tokenizer, packaged_encoder

    if settings.baseline_is_set:
        return settings.baseline_model_name
    try:
        load_tokenizer(settings.baseline_model_name)
    except ModelError as error:
        logging.getLogger(__name__).warning("%s; training from the packaged encoder instead", error)
        return packaged_encoder()
    return settings.baseline_model_name


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise ValueError
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m huggingface_ner",
        description="Label Studio ML backend for named entity recognition. Settings come from environment "
        "variables, which the README lists.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace, Settings], None], description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__, help=description, description=description)
        added.set_defaults(run=run)
        return added

    added = command(serve, "Serve Label Studio: /health, /setup, /predict, /webhook, ... until stopped.")
    added.add_argument("--host", help="address to listen on (default: HOST)")
    added.add_argument("--port", type=int, help="port to listen on (default: PORT)")

    command(worker, "Run the trainings that wait in the queue at REDIS_URL, one at a time, until stopped.")

    command(health, "Ask the server at HOST and PORT for its /health, with BASIC_AUTH_*; fails where it is down.")

    added = command(train, "Fine-tune a model on annotated tasks and print its scores on those held out.")
    _add_config(added)
    added.add_argument("--tasks", type=Path, required=True, help="annotated tasks: Label Studio's JSON export")
    added.add_argument("--out", type=Path, required=True, help="folder for the model; a model in it is replaced")
    added.add_argument(
        "--baseline",
        help="Hub name or folder of the model to start from (default: BASELINE_MODEL_NAME)",
    )
    added.add_argument(
        "--held-out",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="share of the tasks that is kept from training and scored, chosen by a hash of the task's id: at "
        "most 200 tasks, none of fewer than 20; 0 trains on everything (default: %(default)s)",
    )
    added.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")

    added = command(predict, "Write tasks with predictions, a file that Label Studio imports.")
    _add_model(added)
    _add_config(added)
    added.add_argument("--tasks", type=Path, required=True, help="tasks as Label Studio imports or exports them")
    added.add_argument("--out", type=Path, required=True, help="file to write, JSON")

    added = command(
        evaluate,
        "Print strict precision, recall and F1, overall and for each label: a region is right when its start, its "
        "end and its label are.",
    )
    _add_model(added)
    _add_config(added)
    added.add_argument("--tasks", type=Path, required=True, help="annotated tasks: Label Studio's JSON export")
    added.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object: precision, recall, f1 and the same under labels",
    )
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the project's labelling config, XML")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="folder of a fine-tuned model")
