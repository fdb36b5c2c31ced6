"""The command ``train``: trains a model, and saves it in a folder or publishes it for a project."""
# ruff: noqa: PLC0415

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from huggingface_ner.commands.evaluate import score_table, told
from huggingface_ner.commands.inputs import read_annotated_tasks, read_config
from huggingface_ner.commands.options import Commands, add_annotated_tasks, add_command, add_config, project_id
from huggingface_ner.left_out import LeftOut
from huggingface_ner.scores import f1_in_words
from huggingface_ner.settings import Settings
from huggingface_ner.temporary_folders import temporary_folder

if TYPE_CHECKING:
    from huggingface_ner.learning.progress import RunProgress
    from huggingface_ner.learning.training import Training


def add_train(commands: Commands) -> None:
    """Add the command ``train``."""
    parser = add_command(
        commands, train, "Fine-tune a model on annotated tasks and print its scores on the tasks held out."
    )
    add_config(parser)
    add_annotated_tasks(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="folder to save the model in; replaces an existing model")
    where.add_argument(
        "--project",
        type=project_id,
        metavar="ID",
        help="id of the Label Studio project to publish the model for, unless its current version is better; "
        "servers with the same MODEL_DIR use the new version within seconds",
    )
    parser.add_argument(
        "--baseline",
        help="Hub name or folder of the model to start from (default: BASELINE_MODEL_NAME)",
    )
    parser.add_argument(
        "--held-out",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="share of the tasks that are held out to score the model; at most 200 tasks are held out, and none "
        "if there are fewer than 20; with --project, a task that was learned from before is never held out; 0: "
        "train on all tasks (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0 and less than 1, not {text!r}")
    return share


def train(options: argparse.Namespace, settings: Settings) -> None:
    """Fine-tune a model, save or publish it, and print its scores on the tasks held out."""
    from huggingface_ner.engines.cores import take_cores
    from huggingface_ner.jobs.train import hyperparameters
    from huggingface_ner.learning.spool import Spool
    from huggingface_ner.learning.starting_model import starting_model
    from huggingface_ner.learning.tracking import Tracking
    from huggingface_ner.learning.training import Training, TrainingOptions
    from huggingface_ner.store.model_folder import check_can_save

    name = options.out.name if options.out is not None else f"project-{options.project}"
    tracking = Tracking.in_folder(settings.report_to, name, settings.model_dir)
    tracking.check()
    # leave cores for a server that may run on the same machine, as a worker's trainings do
    take_cores(settings.training_threads)
    if options.out is not None:
        check_can_save(options.out)
    config = read_config(options.config)
    left_out = LeftOut()
    gold = read_annotated_tasks(options.tasks, config, settings, left_out)
    with (
        temporary_folder("huggingface-ner-texts-") as folder,
        Spool(folder / "texts.jsonl") as spool,
        tqdm(desc="training", unit="step", disable=None) as bar,
    ):
        for text in gold:
            spool.add(text)
        training = Training(
            spool,
            config.label_names,
            config.match_labels,
            options.baseline or starting_model(settings.baseline_model_name, is_set=settings.baseline_is_set),
            TrainingOptions(hyperparameters(settings, options.seed), options.held_out, settings.device, tracking),
            match_labels_over=config.match_labels_over,
            report=lambda progress: _show(bar, progress),
            layers=config.layers,
            left_out=left_out,
        )
        if options.out is not None:
            summary = _train_into_folder(training, options.out)
        else:
            summary = _train_for_project(training, options.project, settings)
    print(summary)


def _show(bar: "tqdm[NoReturn]", progress: "RunProgress") -> None:
    bar.set_description(progress.phase, refresh=bool(not progress.steps))
    if progress.steps:
        bar.total = progress.steps
        bar.update(progress.step - bar.n)


def _train_into_folder(training: "Training", folder: Path) -> str:
    from huggingface_ner.store.model_folder import save_model

    trained = training.run()
    save_model(trained.model, trained.tokenizer, folder)
    lines = [f"{folder}: trained on {len(trained.learned)} texts, {len(trained.held_out)} held out"]
    lines += [score_table(trained.scores)] if trained.scores else []
    return "\n".join([*lines, *told(trained.left_out), *_warned(trained.unknown_tokens.warning())])


def _train_for_project(training: "Training", number: int, settings: Settings) -> str:
    from huggingface_ner.label_studio.addresses import project_address
    from huggingface_ner.learning.version import train_version
    from huggingface_ner.store.claims import claim_models
    from huggingface_ner.store.versions import project_store

    claim_models(settings)
    outcome = train_version(
        training,
        project_store(settings.models_folder, number, settings.keep_versions),
        f1_tolerance=settings.f1_tolerance,
        preference=settings.engine_preference,
        salt=project_address(settings.label_studio_host, number),
    )
    version = f"{outcome.version}: " if outcome.version else ""
    scores = f1_in_words(outcome.f1, outcome.f1_before, outcome.f1_basis, outcome.f1_interval)
    lines = [f"{version}{outcome.status}: {outcome.reason}{scores}"]
    warning = (outcome.unknown_tokens or {}).get("warning")
    return "\n".join([*lines, *told(LeftOut.from_dict(outcome.left_out)), *_warned(warning)])


def _warned(warning: str | None) -> list[str]:
    """Return the warning about tokens that the baseline does not know, as the last line of the output."""
    return [warning] if warning else []
