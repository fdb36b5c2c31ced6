"""The actions of the buttons on a project's page.

They start a training, use or remove a version, and make the tab with the tasks to review.
"""

from collections.abc import Callable
from functools import partial

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue
from redis import RedisError
from werkzeug.exceptions import RequestEntityTooLarge

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.review_tab import request_review_tab
from huggingface_ner.label_studio.project_ids import parse_project_id
from huggingface_ner.server.pages.guard import MAX_FORM, ForbiddenError, check_form
from huggingface_ner.settings import Settings
from huggingface_ner.store.versions import StoreError, project_store

# Shows a person why an action failed. The arguments are the message, the HTTP status, and the relative URL of
# /projects/, such as ../../../.
Refuse = Callable[[str, int, str], ResponseReturnValue]
# Performs an action on a project. The arguments are the action, the project, and the same relative address.
Act = Callable[[Callable[[int], object], str, str], ResponseReturnValue]


class UnknownProjectError(HuggingFaceNERError):
    """Nothing is stored about a project; the message names it."""


def install(app: Flask, settings: Settings, queue: TrainingQueue | None, refuse: Refuse) -> None:
    """Add the actions to the app."""

    def act(action: Callable[[int], object], project: str, back: str) -> ResponseReturnValue:
        """Perform an action on a project, and send the browser back to the project's page."""
        project_id = parse_project_id(project)
        if project_id is None:
            return refuse(f"project {project[:20]}: not the number of a project", 404, back)
        try:
            check_form(request, settings)
            action(project_id)
        except ForbiddenError as error:
            return refuse(str(error), 403, back)
        except RequestEntityTooLarge:
            return refuse(f"the form is longer than {MAX_FORM} bytes", 413, back)
        except (UnknownProjectError, StoreError) as error:
            return refuse(str(error), 404 if isinstance(error, UnknownProjectError) else 409, back)
        except RedisError:
            return refuse("the training queue does not answer: try again", 503, back)
        # relative, because a proxy may serve the page under any path
        return redirect(f"{back}{project_id}", 303)

    _install_requests(app, queue, act, refuse)

    @app.post("/projects/<project>/versions/<version>/use")
    def use_version(project: str, version: str) -> ResponseReturnValue:
        return act(partial(_use, settings, version), project, "../../../")

    @app.post("/projects/<project>/versions/<version>/remove")
    def remove_version(project: str, version: str) -> ResponseReturnValue:
        return act(partial(_remove, settings, version), project, "../../../")


def _install_requests(app: Flask, queue: TrainingQueue | None, act: Act, refuse: Refuse) -> None:
    """Add the actions that the worker performs."""

    def ask(request_job: Callable[[TrainingQueue, int], object], project: str) -> ResponseReturnValue:
        """Request a job from the worker."""
        if queue is None:
            return refuse("there is no training queue: set REDIS_URL", 503, "../")
        return act(partial(_request, queue, request_job), project, "../")

    @app.post("/projects/<project>/train")
    def train(project: str) -> ResponseReturnValue:
        return ask(TrainingQueue.request_training, project)

    @app.post("/projects/<project>/review-tab")
    def review_tab(project: str) -> ResponseReturnValue:
        return ask(request_review_tab, project)


def _request(queue: TrainingQueue, request_job: Callable[[TrainingQueue, int], object], project_id: int) -> None:
    """Request a job of a project; raises UnknownProjectError if nothing is known about the project."""
    if not queue.knows(project_id):
        raise UnknownProjectError(
            f"project {project_id}: nothing is known about it yet: connect the model in the project's settings in "
            "Label Studio first"
        )
    request_job(queue, project_id)


def _use(settings: Settings, version: str, project_id: int) -> None:
    project_store(settings.models_folder, project_id).use(version)


def _remove(settings: Settings, version: str, project_id: int) -> None:
    project_store(settings.models_folder, project_id).remove(version)
