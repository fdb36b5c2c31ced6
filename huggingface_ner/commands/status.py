"""The commands ``status`` and ``health``: how trainings, the server and the worker are."""
# ruff: noqa: PLC0415

import argparse
import json
from typing import Any

from huggingface_ner.commands.options import Commands, add_command, project_id
from huggingface_ner.settings import Settings


def add_status(commands: Commands) -> None:
    """Add the command ``status``."""
    parser = add_command(
        commands, status, "Show what each project's training is at: waiting, running, how it ended."
    )
    parser.add_argument("--project", type=project_id, metavar="ID", help="only this one")
    parser.add_argument("--json", action="store_true", help="print one JSON object, as GET /training answers")


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


def add_health(commands: Commands) -> None:
    """Add the command ``health``."""
    parser = add_command(
        commands,
        health,
        "Ask the server at HOST and PORT for its /health, with BASIC_AUTH_*; fails where it is down.",
    )
    parser.add_argument("--worker", action="store_true", help="the worker on this machine instead, through Redis")


def health(options: argparse.Namespace, settings: Settings) -> None:
    """Print how the server on this machine is, or its worker."""
    if options.worker:
        from huggingface_ner.jobs.worker_health import ask_worker_health

        print(ask_worker_health(settings))
    else:
        from huggingface_ner.server.probe import ask_health

        print(ask_health(settings))
