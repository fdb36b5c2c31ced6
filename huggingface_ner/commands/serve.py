"""The commands ``serve`` and ``worker``, which run until they are stopped."""
# ruff: noqa: PLC0415

import argparse

from huggingface_ner.commands.options import Commands, add_command
from huggingface_ner.settings import Settings


def add_serve(commands: Commands) -> None:
    """Add the command ``serve``."""
    parser = add_command(commands, serve, "Run the server that Label Studio connects to, until it is stopped.")
    parser.add_argument("--host", help="address to listen on (default: HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default: PORT)")


def serve(options: argparse.Namespace, settings: Settings) -> None:
    """Run the server until it is stopped; unless REDIS_URL is set, run the training queue and worker too."""
    from huggingface_ner.store.claims import claim_models

    check_model_class(settings)
    check_gazetteer(settings)
    check_redis_options(settings)
    if settings.redis_url is None:
        check_tracking(settings)
    claim_models(settings)
    if settings.redis_url is None:
        from huggingface_ner.jobs.embedded import serve_with_training

        serve_with_training(settings)
    else:
        from huggingface_ner.server.gunicorn import serve as serve_app

        serve_app(settings)


def add_worker(commands: Commands) -> None:
    """Add the command ``worker``."""
    add_command(
        commands,
        worker,
        "Run the trainings that wait in the queue at REDIS_URL, one after the other, and push suggestions.",
    )


def worker(options: argparse.Namespace, settings: Settings) -> None:
    """Run the trainings that wait in Redis, one after the other; returns when the worker is stopped."""
    from huggingface_ner.jobs.worker import run_worker
    from huggingface_ner.store.claims import claim_models

    check_model_class(settings)
    check_gazetteer(settings)
    check_redis_options(settings)
    check_tracking(settings)
    claim_models(settings)
    run_worker(settings)


def check_model_class(settings: Settings) -> None:
    """Raise ModelClassError before anything is started, if MODEL_CLASS cannot be used."""
    if "model_class" in settings.model_fields_set:  # the default needs no check, and the imports take a second
        from huggingface_ner.label_studio.model_class import load_model_class
        from huggingface_ner.model import HuggingFaceNER

        load_model_class(settings.model_class, HuggingFaceNER)


def check_redis_options(settings: Settings) -> None:
    """Raise QueueError before anything is started, if an option in REDIS_URL cannot be used."""
    if settings.redis_url is not None:
        from huggingface_ner.jobs.redis_connection import connect

        connect(settings.redis_url)


def check_tracking(settings: Settings) -> None:
    """Raise TrackingError before anything is started, if REPORT_TO cannot be used."""
    if settings.report_to != "none":
        from huggingface_ner.learning.tracking import Tracking

        Tracking(settings.report_to).check()


def check_gazetteer(settings: Settings) -> None:
    """Raise GazetteerError before anything is started, if GAZETTEER cannot be used."""
    if settings.gazetteer is not None:
        from huggingface_ner.mentions.gazetteer import read_gazetteer

        read_gazetteer(settings.gazetteer)
