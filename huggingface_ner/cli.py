"""The command line: python -m huggingface_ner serve | worker | status | health | train | ..."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from huggingface_ner.commands.evaluate import add_evaluate
from huggingface_ner.commands.predict import add_predict
from huggingface_ner.commands.projects import add_projects
from huggingface_ner.commands.review import add_review
from huggingface_ner.commands.serve import add_serve, add_worker
from huggingface_ner.commands.status import add_health, add_status
from huggingface_ner.commands.train import add_train
from huggingface_ner.commands.versions import add_versions
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.logs import configure_logging
from huggingface_ner.model_places import PlaceError
from huggingface_ner.processes import end_with_parent_if_requested
from huggingface_ner.secret_values import without_credentials
from huggingface_ner.settings import Settings, SettingsError, read_settings

# Every command, in the order of --help.
ADD_COMMANDS = (
    add_serve,
    add_worker,
    add_status,
    add_health,
    add_train,
    add_predict,
    add_evaluate,
    add_versions,
    add_projects,
    add_review,
)
# The commands that start the service. All others work with the service that uses MODEL_DIR.
SERVICES = ("serve", "worker")

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0, 1 if it failed, 2 if options or settings are wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen = {name: value for name in ("host", "port") if (value := getattr(options, name, None)) is not None}
    try:
        settings = read_settings(**chosen)
        if options.command not in SERVICES:
            settings = settings.of_known_host()
    except (SettingsError, PlaceError, OSError) as error:
        if options.command in SERVICES and os.environ.get("LOG_FORMAT") == "json":
            configure_logging(Settings.model_construct(log_format="json"))
            for line in str(error).splitlines():
                logger.critical("%s: %s", options.command, line)
        else:
            print(f"{parser.prog}: {without_credentials(str(error))}", file=sys.stderr)
        return 2
    configure_logging(settings)
    end_with_parent_if_requested()
    try:
        options.run(options, settings)
    except (HuggingFaceNERError, OSError) as error:
        if options.command in SERVICES and settings.log_format == "json":
            logger.critical("%s: %s", options.command, error)
        else:
            print(f"{parser.prog} {options.command}: {without_credentials(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m huggingface_ner",
        description="Label Studio ML backend for named entity recognition. Settings come from environment "
        "variables, which the README lists.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in ADD_COMMANDS:
        add(commands)
    return parser
