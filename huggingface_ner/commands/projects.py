"""The command ``projects``: lists and trains projects, removes their data, adopts models of a former address."""
# ruff: noqa: PLC0415

import argparse
import sys
from typing import TYPE_CHECKING, Any

from huggingface_ner.commands.options import Commands, add_action, add_actions, add_command, project_id
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.logs import escaped
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

    from huggingface_ner.jobs.queue import TrainingQueue


class ProjectsError(HuggingFaceNERError):
    """Projects cannot be removed or adopted; the message says why, and what to do."""


def add_projects(commands: Commands) -> None:
    """Add the command ``projects``."""
    parser = add_command(
        commands,
        projects,
        "List the projects that have stored data, request a training of one, remove the data of some projects "
        "(models, known mentions and the state in Redis), or keep the data after Label Studio got another "
        "address. Label Studio keeps its projects and annotations.",
    )
    actions = add_actions(parser)
    add_action(actions, "list", _list, "list the projects")
    remove = add_action(actions, "remove", _remove, "remove the stored data of projects")
    remove.add_argument(
        "projects", nargs="*", type=project_id, metavar="ID", help="id of a project, as shown by list"
    )
    remove.add_argument(
        "--gone", action="store_true", help="remove the data of all projects that Label Studio no longer has"
    )
    remove.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    train = add_action(
        actions, "train", _train, "request a training of a project from the worker, as the page does"
    )
    train.add_argument("project", type=project_id, metavar="ID", help="id of the project in Label Studio")
    adopt = add_action(
        actions,
        "adopt",
        _adopt,
        "give LABEL_STUDIO_HOST the models of the same Label Studio under another address",
    )
    adopt.add_argument("address", help="its former address, as shown by list")


def projects(options: argparse.Namespace, settings: Settings) -> None:
    """List projects, request a training, remove their data, or adopt the models of a former address."""
    from redis import RedisError

    from huggingface_ner.jobs.redis_connection import QueueError

    try:
        options.act(options, settings)
    except RedisError as error:
        raise QueueError(f"the training queue does not answer: {error}") from error


def _list(options: argparse.Namespace, settings: Settings) -> None:
    from huggingface_ner.jobs.queue import TrainingQueue
    from huggingface_ner.model_places import normalized, places
    from huggingface_ner.store.versions import project_stores

    redis = _redis(settings)
    statuses = _statuses(None if redis is None else TrainingQueue(redis, settings))
    stores = project_stores(settings.models_folder)
    print(f"{settings.label_studio_host}:")
    print(f"{'project':>7}  {'versions':>8}  {'state':8}  title")
    for number in sorted({*statuses, *stores}):
        status = statuses.get(number, {})
        versions = len(stores[number].versions()) if number in stores else 0
        title = escaped(status.get("title") or "-")
        print(f"{number:7}  {versions:8}  {status.get('state', '-'):8}  {title}".rstrip())
    for place, host in places(settings.all_models_folder).items():
        if host != normalized(settings.label_studio_host):
            numbers = project_stores(settings.all_models_folder / place)
            print(f"another Label Studio, {host}: models of {len(numbers)} projects")


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    from huggingface_ner.jobs.forgetting import forget_project
    from huggingface_ner.jobs.queue import TrainingQueue
    from huggingface_ner.store.versions import project_stores

    if bool(options.projects) == options.gone:
        raise ProjectsError("name the projects by their ids, or write --gone, but not both")
    redis, stores = _redis(settings), project_stores(settings.models_folder)
    queue = None if redis is None else TrainingQueue(redis, settings)
    statuses = _statuses(queue)
    known = {*statuses, *stores}
    chosen = _gone(known, settings, queue) if options.gone else sorted({*options.projects})
    missing = [number for number in chosen if number not in known]
    if missing:
        raise ProjectsError(f"project {missing[0]}: it has no stored data; `projects list` shows the projects")
    if not chosen:
        print("nothing to remove: Label Studio has all projects that have stored data")
        return
    for number in chosen:
        versions = len(stores[number].versions()) if number in stores else 0
        title = escaped(statuses.get(number, {}).get("title") or "")
        print(
            f"project {number}{f' ({title})' if title else ''}: {versions} versions, and all of its data in Redis"
        )
    if not (options.yes or _agrees()):
        raise ProjectsError("nothing was removed")
    for number in chosen:
        if redis is not None:
            forget_project(redis, settings, number)
        if number in stores:
            stores[number].delete()
        print(f"project {number}: removed")


def _train(options: argparse.Namespace, settings: Settings) -> None:
    from huggingface_ner.jobs.queue import TrainingQueue
    from huggingface_ner.jobs.redis_connection import connect, running_queue_url

    queue = TrainingQueue(connect(running_queue_url(settings)), settings)
    if not queue.knows(options.project):
        from huggingface_ner.label_studio.client import LabelStudioClient

        # raises an error if Label Studio does not have the project
        LabelStudioClient(settings, queue.notes.token(options.project)).project(options.project)
    queue.request_training(options.project)
    print(f"project {options.project}: a training is requested; `status` shows how it goes")


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise ProjectsError("nothing was removed: confirmation needs a terminal; without one, add --yes")
    return input("Remove this for good? [y/N] ").strip().lower() in ("y", "yes")


def _gone(known: set[int], settings: Settings, queue: "TrainingQueue | None") -> list[int]:
    """Return the projects that Label Studio no longer has; raises ProjectsError if it has none of them."""
    from huggingface_ner.label_studio.client import LabelStudioClient

    tokens = {number: queue.notes.token(number) if queue else None for number in sorted(known)}
    gone = [
        number for number, token in tokens.items() if not LabelStudioClient(settings, token).has_project(number)
    ]
    if gone and len(gone) == len(known):
        raise ProjectsError(
            f"Label Studio at LABEL_STUDIO_HOST={settings.label_studio_host} has none of the projects "
            f"{', '.join(map(str, gone))}: is it the right one, and may the user of LABEL_STUDIO_API_KEY see "
            "them? If they are all gone, remove them by their ids"
        )
    return gone


def _adopt(options: argparse.Namespace, settings: Settings) -> None:
    """Adopt the models of an address, and then its queue.

    If this stops after the first step, LABEL_STUDIO_HOST has the models, but their queue still belongs to the
    former address. Then a second attempt adopts only the queue.
    """
    from huggingface_ner.jobs.queue_owner import adopt_queue, queue_owner
    from huggingface_ner.model_places import normalized
    from huggingface_ner.store.claims import adopt_models

    try:
        former = normalized(options.address)
    except ValueError as error:
        raise ProjectsError(f"{options.address!r} is not an address: {error}") from error
    redis, host = _redis(settings), normalized(settings.label_studio_host)
    # a copy, because Settings caches the name of its folder of models, and adopt_models changes the name
    owner = None if redis is None else queue_owner(redis, settings.model_copy())
    is_second_attempt = owner == former != host
    if not is_second_attempt:
        adopt_models(settings, former)
    if redis is not None:
        adopt_queue(redis, settings)
    print(f"{settings.label_studio_host} has the data of {options.address} now; restart the servers and workers")


def _redis(settings: Settings) -> "Redis | None":
    """Return the Redis of the training queue; None if there never was a queue. Raises QueueError if it is down."""
    from huggingface_ner.jobs.redis_connection import connect, embedded_folder, running_queue_url

    if settings.redis_url is None and not embedded_folder(settings).exists():
        return None
    return connect(running_queue_url(settings))


def _statuses(queue: "TrainingQueue | None") -> dict[int, dict[str, Any]]:
    return {} if queue is None else {status["project"]: status for status in queue.overview().statuses}
