"""A client of Label Studio's API that sends the same requests as Label Studio's own page."""

from typing import Any, Self

import requests

from demo.label_studio import LabelStudioServer

Region = dict[str, Any]


class Studio:
    """The session of a user who is signed in to a Label Studio."""

    def __init__(self, server: LabelStudioServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {server.token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any) -> Any:
        """Return the JSON answer, or None if it is empty; fail if the status is not the expected one."""
        answer = self._session.request(method, f"{self.server.url}{path}", json=body, timeout=120, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def personal_access_token(self) -> str:
        return str(self.ask("POST", "/api/token/", {}, status=201)["token"])

    def user(self, email: str, first_name: str, last_name: str) -> int:
        """Add a user who can annotate; return the user's id."""
        names = {"username": email.partition("@")[0], "first_name": first_name, "last_name": last_name}
        return int(self.ask("POST", "/api/users/", {"email": email, **names}, status=201)["id"])

    def project(self, title: str, config: str) -> "Project":
        made = self.ask("POST", "/api/projects/", {"title": title, "label_config": config}, status=201)
        return Project(self, made["id"])


class Project:
    """A project, and the backend that it is connected to."""

    def __init__(self, studio: Studio, project_id: int) -> None:
        self.studio = studio
        self.id = project_id
        self.backend_id = 0

    def connect(self, url: str, status: int = 201, /, **more: Any) -> Any:
        """Connect a backend as Connect Model does; return Label Studio's answer."""
        body = {"project": self.id, "url": url, "title": "backend", **more}
        answer = self.studio.ask("POST", "/api/ml/", body, status=status)
        self.backend_id = answer.get("id", 0)
        return answer

    def backend(self) -> Any:
        """Return the backend as the settings page shows it; Label Studio checks the backend's health for this."""
        return self.studio.ask("GET", f"/api/ml/{self.backend_id}")

    def webhooks(self) -> list[Any]:
        return list(self.studio.ask("GET", f"/api/webhooks/?project={self.id}"))

    def add(self, *data: dict[str, Any]) -> list[int]:
        """Import tasks; return their ids, in order."""
        path = f"/api/projects/{self.id}/import?return_task_ids=true"
        return list(self.studio.ask("POST", path, [{"data": one} for one in data], status=201)["task_ids"])

    def open(self, task_id: int) -> Any:
        """Return a task as the Data Manager opens it; Label Studio requests a prediction for this."""
        return self.studio.ask("GET", f"/api/tasks/{task_id}/?project={self.id}")

    def next(self) -> Any:
        """Return the next task of the label stream."""
        return self.studio.ask("GET", f"/api/projects/{self.id}/next")

    def action(self, name: str, *task_ids: int, **body: Any) -> Any:
        """Do one of the Data Manager's actions with these tasks, or with all tasks if none are given."""
        selected = {"all": False, "included": task_ids} if task_ids else {"all": True, "excluded": []}
        path = f"/api/dm/actions?id={name}&project={self.id}"
        return self.studio.ask("POST", path, {"selectedItems": selected, **body})

    def predictions(self) -> dict[int, list[Any]]:
        """Return the stored predictions, by task; the backend gets no request."""
        stored: dict[int, list[Any]] = {}
        for prediction in self.studio.ask("GET", f"/api/predictions/?project={self.id}"):
            stored.setdefault(prediction["task"], []).append(prediction)
        return stored

    def annotations(self, task_id: int) -> list[Any]:
        return list(self.studio.ask("GET", f"/api/tasks/{task_id}/annotations/"))

    def submit(self, task_id: int, result: list[Region], **more: Any) -> Any:
        """Submit an annotation; with ``was_cancelled``, skip the task."""
        body = {"result": result, "lead_time": 1.5, **more}
        return self.studio.ask("POST", f"/api/tasks/{task_id}/annotations/?project={self.id}", body, status=201)

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file; return its path in Label Studio, from the root."""
        path = f"/api/projects/{self.id}/import?commit_to_project=false"
        answer = self.studio.ask("POST", path, status=201, files={"file": (name, content, "text/plain")})
        (upload_id,) = answer["file_upload_ids"]
        return f"/data/{self.studio.ask('GET', f'/api/import/file-upload/{upload_id}')['file']}"
