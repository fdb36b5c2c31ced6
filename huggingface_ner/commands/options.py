"""Options that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    # the return type of argparse's add_subparsers
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name
else:
    Commands = object


def add_command(
    commands: Commands, run: Callable[[argparse.Namespace, Settings], None], description: str
) -> argparse.ArgumentParser:
    """Add a command named like the function that runs it; return the parser to which options are added."""
    parser = commands.add_parser(run.__name__, help=description, description=description)
    parser.set_defaults(run=run)
    return parser


def add_actions(parser: argparse.ArgumentParser) -> Commands:
    """Require one of several actions after a command; return the object to which add_action adds them."""
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")


def add_action(
    actions: Commands, name: str, act: Callable[[argparse.Namespace, Settings], None], description: str
) -> argparse.ArgumentParser:
    """Add an action, for which the command calls ``act``; return the parser to which options are added."""
    parser = actions.add_parser(name, help=description)
    parser.set_defaults(act=act)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--config``."""
    parser.add_argument("--config", type=Path, required=True, help="the project's labelling config, XML")


def add_annotated_tasks(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--tasks`` for annotated tasks."""
    parser.add_argument("--tasks", type=Path, required=True, help="annotated tasks: Label Studio's JSON export")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--model``."""
    parser.add_argument("--model", type=Path, required=True, help="folder of a fine-tuned model")


def project_id(text: str) -> int:
    """Parse a project id; raises ArgumentTypeError."""
    number = parse_project_id(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a project id: a positive number is needed")
    return number
