"""The commands ``status`` and ``health``, which show the state of trainings, of the server and of the worker."""
# ruff: noqa: PLC0415

import argparse
import json
from typing import Any

from huggingface_ner.commands.options import Commands, add_command, project_id
from huggingface_ner.logs import escaped
from huggingface_ner.scores import f1_in_words
from huggingface_ner.settings import Settings


def add_status(commands: Commands) -> None:
    """Add the command ``status``."""
    parser = add_command(
        commands,
        status,
        "Show the state of each project's training, and how the last training ended.",
    )
    parser.add_argument("--project", type=project_id, metavar="ID", help="show this project only")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, as GET /training returns for all projects"
    )


def status(options: argparse.Namespace, settings: Settings) -> None:
    """Print the state of each project's training."""
    from redis import RedisError

    from huggingface_ner.jobs.queue import TrainingQueue
    from huggingface_ner.jobs.redis_connection import QueueError, connect, running_queue_url

    queue = TrainingQueue(connect(running_queue_url(settings)), settings)
    try:
        statuses = queue.overview().statuses if options.project is None else queue.statuses([options.project])
    except RedisError as error:
        raise QueueError(f"the training queue does not answer: {error}") from error
    if options.json:
        print(json.dumps({"projects": statuses}, ensure_ascii=False))
    else:
        lines = [escaped(_status_line(status)) for status in statuses]
        print("\n".join(lines) or "no project has been annotated yet")


def _status_line(status: dict[str, Any]) -> str:
    line = f"project {status['project']}: {status['state']}"
    if status["state"] == "damaged":
        return f"{line}: {status['reason']}"
    run, last = status.get("run"), status.get("last")
    if run:
        line += f", {run['phase']}"
        if run["steps"]:
            left = "" if run["seconds_left"] is None else f", {run['seconds_left']:.0f} s left"
            line += (
                f" {run['percent']:.0f} % (step {run['step']} of {run['steps']}, epoch {run['epoch']:.1f}{left})"
            )
        line += "; another training waits" if status["waiting"] else ""
    if last:
        # outcomes of older releases lack f1_basis, f1_interval, left_out and unknown_tokens
        scores = f1_in_words(last["f1"], last["f1_before"], last.get("f1_basis"), last.get("f1_interval"))
        line += f"; last: {last['status']}, {last['reason']}{scores}"
        summary = (last.get("left_out") or {}).get("summary")
        line += f"; {summary}" if summary else ""
        warning = (last.get("unknown_tokens") or {}).get("warning")
        line += f"; {warning}" if warning else ""
        accepted = last.get("accepted")
        if accepted:
            share = f"{100 * accepted['share']:.0f} %"
            line += f"; of {accepted['suggested']} suggestions of {accepted['version']}, {share} were accepted"
    mentions = status.get("known_mentions")
    if mentions and mentions["left_out"]:
        line += f"; known mentions: there was no room for {mentions['left_out']} more annotations"
    return line


def add_health(commands: Commands) -> None:
    """Add the command ``health``."""
    parser = add_command(
        commands,
        health,
        "Check the server at HOST and PORT, using BASIC_AUTH_USER and BASIC_AUTH_PASS; exit with 1 if it is down.",
    )
    parser.add_argument("--worker", action="store_true", help="check the worker on this machine instead")


def health(options: argparse.Namespace, settings: Settings) -> None:
    """Print the state of the server, or of the worker on this machine."""
    if options.worker:
        from huggingface_ner.jobs.worker_health import ask_worker_health

        print(ask_worker_health())
    else:
        from huggingface_ner.server.probe import ask_health

        print(ask_health(settings))
