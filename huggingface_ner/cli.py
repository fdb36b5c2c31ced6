"""python -m huggingface_ner serve | worker | status | health | train | ...: the options."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from huggingface_ner import commands
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.logs import configure_logging
from huggingface_ner.processes import end_with_parent_if_requested
from huggingface_ner.settings import Settings, SettingsError, read_settings


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
    end_with_parent_if_requested()
    try:
        options.run(options, settings)
    except (HuggingFaceNERError, OSError) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise ValueError
    return share


def _project(text: str) -> int:
    number = parse_project_id(text)
    if number is None:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m huggingface_ner",
        description="Label Studio ML backend for named entity recognition. Settings come from environment "
        "variables, which the README lists.",
    )
    added_commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace, Settings], None], description: str) -> argparse.ArgumentParser:
        added = added_commands.add_parser(run.__name__, help=description, description=description)
        added.set_defaults(run=run)
        return added

    added = command(commands.serve, "Serve Label Studio: /health, /setup, /predict, /webhook, ... until stopped.")
    added.add_argument("--host", help="address to listen on (default: HOST)")
    added.add_argument("--port", type=int, help="port to listen on (default: PORT)")

    command(
        commands.worker,
        "Run the trainings that wait at REDIS_URL, one at a time, and give suggestions, until stopped.",
    )

    added = command(commands.status, "Show what each project's training is at: waiting, running, how it ended.")
    added.add_argument("--project", type=_project, metavar="ID", help="only this one")
    added.add_argument("--json", action="store_true", help="print one JSON object, as GET /training answers")

    added = command(
        commands.health,
        "Ask the server at HOST and PORT for its /health, with BASIC_AUTH_*; fails where it is down.",
    )
    added.add_argument("--worker", action="store_true", help="the worker on this machine instead, through Redis")

    added = command(commands.train, "Fine-tune a model on annotated tasks and print its scores on those held out.")
    _add_config(added)
    added.add_argument("--tasks", type=Path, required=True, help="annotated tasks: Label Studio's JSON export")
    where = added.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="folder for the model; a model in it is replaced")
    where.add_argument(
        "--project",
        type=_project,
        metavar="ID",
        help="Label Studio's number of a project: servers on the same MODEL_DIR serve the model to it in seconds, "
        "unless the one that serves is better",
    )
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

    added = command(commands.predict, "Write tasks with predictions, a file that Label Studio imports.")
    _add_model(added)
    _add_config(added)
    added.add_argument("--tasks", type=Path, required=True, help="tasks as Label Studio imports or exports them")
    added.add_argument("--out", type=Path, required=True, help="file to write, JSON")

    added = command(
        commands.evaluate,
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

    added = command(
        commands.versions, "Show the models of all projects, choose the one that serves, or delete one."
    )
    added.add_argument("action", choices=["list", "use", "remove"])
    added.add_argument("version", nargs="?", help="for use and remove: its name, as list shows it")
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the project's labelling config, XML")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="folder of a fine-tuned model")
