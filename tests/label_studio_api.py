"""A small stand-in for Label Studio's API; it gives real answers of 1.23.2, filled with a test's tasks."""

import base64
import copy
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import recorded

LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"


def _jwt(**claims: Any) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"exp": int(time.time()) + 86_400, **claims}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


PERSONAL_ACCESS_TOKEN = _jwt(token_type="refresh")
ACCESS_TOKEN = _jwt(token_type="access")


class _Turnstile:
    """Lets all threads pass until it is released for a number of them; from then on, only that many pass."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._changed = threading.Condition()
        self.waiting = 0

    def release(self, number: int = 1) -> None:
        with self._changed:
            self._left = (self._left or 0) + number
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            self.waiting += 1
            # longer than several processes take to start on a busy machine
            self._changed.wait_for(lambda: self._left is None or self._left > 0, 600)
            self.waiting -= 1
            if self._left is not None:
                self._left -= 1


class LabelStudioApi:
    """The data that the stand-in serves, and the requests that it received.

    projects: labelling configs by project. tasks: each project's tasks, with annotations.
    model_versions: the version that each project shows. predictions: the predictions that were sent to it.
    backends, webhooks, views: the backends, the webhooks and the Data Manager's tabs of all projects.
    users: the users of Label Studio.
    status: if it is set, every request is answered with this status. redirects: a status and a host; if it is set,
    every request is redirected to this host with this status.
    answering: while it is cleared, requests for tasks wait for their answers.
    takes_predictions: after it is released, only the released number of requests with predictions is answered.
    """

    def __init__(self) -> None:
        self.projects: dict[int, str] = {}
        self.tasks: dict[int, list[dict[str, Any]]] = {}
        self.model_versions: dict[int, str] = {}
        self.predictions: list[dict[str, Any]] = []
        self.backends: list[dict[str, Any]] = []
        self.webhooks: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.users: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.status: int | None = None
        self.redirects: tuple[int, str] | None = None
        self.answering = threading.Event()
        self.answering.set()
        self.takes_predictions = _Turnstile()
        self.url = ""
        self._added = 0

    def add(self, project_id: int, config: str, tasks: list[dict[str, Any]]) -> None:
        self.projects[project_id] = config
        self.tasks[project_id] = tasks

    def add_backend(self, project_id: int, url: str, user: str = "") -> None:
        (like,) = self._recorded("backends")[1]
        self.backends.append({**like, "project": project_id, "url": url, "basic_auth_user": user})

    def add_webhook(self, project_id: int, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        (like,) = self._recorded("webhooks")[1]
        self.webhooks.append(
            {**like, "id": len(self.webhooks) + 1, "project": project_id, "url": url, "headers": headers or {}}
        )
        return self.webhooks[-1]

    def answer(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, Any]:
        """Return the status and the body with which Label Studio answers a request."""
        url = urlsplit(path)
        self.requests.append(f"{method} {url.path}")
        if self.status is not None:
            return self.status, {"detail": "as the test asks"}
        if url.path == "/api/token/refresh/" and method == "POST":
            return self._access_token(body)
        if authorization not in (f"Token {LEGACY_TOKEN}", f"Bearer {ACCESS_TOKEN}"):
            return self._recorded("wrong_token")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path in ("/api/ml/", "/api/users/"):
            return 200, self.users if url.path == "/api/users/" else self._backends(int(query["project"]))
        if url.path.startswith(("/api/dm/views/", "/api/webhooks/")):
            change = self._view if url.path.startswith("/api/dm/") else self._webhook
            return change(method, url.path, query, body)
        if url.path.startswith("/api/projects/"):
            return self._of_project(method, url.path, body)
        if url.path.rstrip("/") == "/api/tasks":
            self.answering.wait(60)
            return self._filtered(query) if "query" in query else self._page(query)
        if url.path.startswith("/api/predictions/") and method == "DELETE":
            number = int(url.path.rstrip("/").rpartition("/")[2])
            left = [given for given in self.predictions if given.get("id") != number]
            is_found, self.predictions = len(left) < len(self.predictions), left
            return (204, None) if is_found else (404, {"detail": "No Prediction matches the given query."})
        return 404, {"detail": f"the stand-in does not know {url.path}"}

    def _backends(self, project_id: int) -> list[dict[str, Any]]:
        return [backend for backend in self.backends if backend["project"] == project_id]

    @staticmethod
    def _access_token(body: Any) -> tuple[int, Any]:
        is_ours = body.get("refresh") == PERSONAL_ACCESS_TOKEN
        return (200, {"access": ACCESS_TOKEN}) if is_ours else (401, {"detail": "Token is invalid"})

    def _of_project(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.endswith("/import/predictions"):
            self.takes_predictions.wait()
            known = {task["id"] for task in self.tasks[int(path.split("/")[3])]}
            if not known >= {given["task"] for given in body}:
                return 400, {"detail": "one of the tasks is not in the project"}
            self.predictions += [{"id": number, **given} for number, given in enumerate(body, start=self._added)]
            self._added += len(body)
            return 201, {"created": len(body)}
        if path.endswith("/model-versions/"):
            return self._model_versions(method, int(path.split("/")[3]), body)
        project_id = int(path.rstrip("/").rpartition("/")[2])
        if method == "PATCH":
            known = {given["model_version"] for given in self.predictions}
            if body["model_version"] not in {*known, *(backend["title"] for backend in self.backends)}:
                return 400, {"validation_errors": {"model_version": ["Model version doesn't exist ..."]}}
            self.model_versions[project_id] = body["model_version"]
        return self._project(project_id)

    def _project(self, project_id: int) -> tuple[int, Any]:
        if project_id not in self.projects:
            return self._recorded("no_project")
        status, body = self._recorded("project")
        version = self.model_versions.get(project_id, body["model_version"])
        config = self.projects[project_id]
        annotations = [annotation for task in self.tasks[project_id] for annotation in task["annotations"]]
        skipped = sum(bool(annotation.get("was_cancelled")) for annotation in annotations)
        usable = [
            [one for one in task["annotations"] if not one.get("was_cancelled")] for task in self.tasks[project_id]
        ]
        truth = [[one for one in of_task if one.get("ground_truth")] for of_task in usable]
        return status, {
            **body,
            "id": project_id,
            "label_config": config,
            "model_version": version,
            "total_annotations_number": len(annotations) - skipped,
            "skipped_annotations_number": skipped,
            "task_number": len(usable),
            "num_tasks_with_annotations": sum(
                len(one) > len(true) for one, true in zip(usable, truth, strict=True)
            ),
            "finished_task_number": sum(map(bool, usable)),
            "ground_truth_number": sum(map(len, truth)),
            "total_predictions_number": len(self.predictions),
        }

    def _model_versions(self, method: str, project_id: int, body: Any) -> tuple[int, Any]:
        """Answer as Label Studio does: it unselects more versions than it deletes; see tests/e2e."""
        versions = [given["model_version"] for given in self.predictions]
        if method == "GET":
            return 200, {**Counter(versions)}
        version, selected = body["model_version"], self.model_versions.get(project_id)
        if selected in {version, *(backend["title"] for backend in self.backends)}:
            self.model_versions[project_id] = ""
        self.predictions = [given for given in self.predictions if given["model_version"] != version]
        return 200, {"deleted_predictions": versions.count(version)}

    def _webhook(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "PATCH":
            number = int(path.rstrip("/").rpartition("/")[2])
            (changed,) = [webhook for webhook in self.webhooks if webhook["id"] == number]
            changed.update(body)
            return 200, changed
        return 200, [webhook for webhook in self.webhooks if webhook["project"] == int(query["project"])]

    def _view(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Store tabs; their filters are tested with the real Label Studio, in tests/e2e."""
        if method == "GET":
            return 200, [view for view in self.views if view["project"] == int(query["project"])]
        if method == "PATCH":
            (view,) = [view for view in self.views if view["id"] == int(path.rstrip("/").rpartition("/")[2])]
        else:
            view = {"id": len(self.views) + 1, "project": body["project"]}
            self.views.append(view)
        view["data"] = body["data"]
        return 201 if method == "POST" else 200, view

    def _filtered(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer with the tasks that the query's filters select.

        The filters are also tested with the real Label Studio, in tests/e2e.
        """
        filters = json.loads(query["query"])["filters"]["items"]
        tasks = [
            task for task in self.tasks[int(query["project"])] if all(self._has(task, one) for one in filters)
        ]
        tasks.sort(key=lambda task: int(task["id"]))
        status, body = self._recorded("tasks")
        (like,) = body["tasks"]
        has_all = query["fields"] == "all"
        page = [
            {**like, **task, "predictions": self._predictions(task["id"]) if has_all else []}
            for task in tasks[: int(query["page_size"])]
        ]
        return status, {**body, "tasks": page, "total": len(tasks)}

    def _has(self, task: dict[str, Any], condition: dict[str, Any]) -> bool:
        column = condition["filter"].removeprefix("filter:tasks:")
        if column == "predictions_model_versions":
            (version,) = condition["value"]
            # Label Studio finds names that contain the value too
            is_there = any(version in given["model_version"] for given in self._predictions(task["id"]))
            return bool(is_there == (condition["operator"] == "contains"))
        values = {
            "id": task["id"],
            "total_annotations": len(task["annotations"]),
            "total_predictions": len(self._predictions(task["id"])),
        }
        value, limit = values[column], condition["value"]
        return bool(value == limit if condition["operator"] == "equal" else value > limit)

    def _predictions(self, task_id: int) -> list[dict[str, Any]]:
        return [given for given in self.predictions if given["task"] == task_id]

    def _page(self, query: dict[str, str]) -> tuple[int, Any]:
        assert query["fields"] == "all"
        assert query["only_annotated"].lower() == "true"
        tasks = [task for task in self.tasks[int(query["project"])] if task["annotations"]]
        size = int(query["page_size"])
        start = (int(query.get("page", 1)) - 1) * size
        if start >= max(len(tasks), 1):
            return self._recorded("tasks_past_the_end")
        status, body = self._recorded("tasks")
        (like,) = body["tasks"]
        page = [
            {
                **like,
                "id": task["id"],
                "data": task["data"],
                "annotations": self._annotations(like, task),
                "predictions": task.get("predictions", []),
            }
            for task in tasks[start : start + size]
        ]
        return status, {**body, "tasks": page, "total": len(tasks)}

    @staticmethod
    def _annotations(like: dict[str, Any], task: dict[str, Any]) -> list[dict[str, Any]]:
        (annotation,) = like["annotations"]
        return [{**annotation, **given, "task": task["id"]} for given in task["annotations"]]

    @staticmethod
    def _recorded(name: str) -> tuple[int, Any]:
        answer = recorded(f"api/{name}")
        return answer["status"], copy.deepcopy(answer["body"])


@contextmanager
def serve_label_studio_api(host: str = "127.0.0.1") -> Iterator[LabelStudioApi]:
    api = LabelStudioApi()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            sent = json.loads(self.rfile.read(length)) if length else None
            status, body = api.answer(self.command, self.path, self.headers.get("Authorization", ""), sent)
            answer = json.dumps(body).encode()
            if api.redirects is not None:
                self.send_response(api.redirects[0])
                self.send_header("Location", f"{api.redirects[1]}{self.path}")
            else:
                self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the client was killed meanwhile
                self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    api.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()
