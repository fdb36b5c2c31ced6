"""The command ``review``: prints the annotations to review in a project, or shows them in Label Studio."""
# ruff: noqa: PLC0415

import argparse
import sys

from huggingface_ner.commands.options import Commands, add_command, project_id
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.settings import Settings


class NoReviewError(HuggingFaceNERError):
    """It is not known what to review in a project; the message says why."""


def add_review(commands: Commands) -> None:
    """Add the command ``review``."""
    parser = add_command(
        commands,
        review,
        "Print the annotations to review in a project as CSV, or show their tasks as a tab in Label Studio.",
    )
    parser.add_argument("project", type=project_id, metavar="ID", help="id of the project in Label Studio")
    parser.add_argument(
        "--tab",
        action="store_true",
        help="make or update a tab with their tasks in Label Studio's Data Manager",
    )


def review(options: argparse.Namespace, settings: Settings) -> None:
    """Print the annotations to review in a project, or show their tasks as a tab in Label Studio."""
    from huggingface_ner.jobs.queue import open_queue

    number = options.project
    queue = open_queue(settings)
    if options.tab:
        from redis import RedisError

        from huggingface_ner.jobs.review_tab import show_tasks_to_review
        from huggingface_ner.label_studio.client import LabelStudioClient
        from huggingface_ner.store.versions import project_store

        try:
            token = queue.notes.token(number) if queue else None
        except RedisError:  # the token is needed only if LABEL_STUDIO_API_KEY is not set
            token = None
        client = LabelStudioClient(settings, token)
        print(show_tasks_to_review(client, number, project_store(settings.models_folder, number), create=True))
        return
    from huggingface_ner.server.pages.facts import FactsReader
    from huggingface_ner.server.pages.review_csv import review_csv
    from huggingface_ner.server.pages.review_reading import read_page_review

    known, _ = FactsReader(settings, queue).project(number)
    found = read_page_review(known) if known else None
    if found is None:
        raise NoReviewError(f"project {number}: no training has looked for annotations to review yet")
    # bytes, because texts may contain lone surrogates, and the terminal may have another encoding
    sys.stdout.buffer.write(review_csv(found).encode("utf-8", "replace"))
