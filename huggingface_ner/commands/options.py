"""What the commands' options have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    # what argparse's add_subparsers returns
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name
else:
    Commands = object


def add_command(
    commands: Commands, run: Callable[[argparse.Namespace, Settings], None], description: str
) -> argparse.ArgumentParser:
    """Add a command that is called as the function is, and return its parser, for its options."""
    parser = commands.add_parser(run.__name__, help=description, description=description)
    parser.set_defaults(run=run)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--config``."""
    parser.add_argument("--config", type=Path, required=True, help="the project's labelling config, XML")


def add_annotated_tasks(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--tasks``, for tasks with annotations."""
    parser.add_argument("--tasks", type=Path, required=True, help="annotated tasks: Label Studio's JSON export")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--model``."""
    parser.add_argument("--model", type=Path, required=True, help="folder of a fine-tuned model")


def project_id(text: str) -> int:
    """Return a project's number, given as an option; raises ValueError."""
    number = parse_project_id(text)
    if number is None:
        raise ValueError
    return number
