"""A stand-in for the Hub: it accepts the repositories, LFS objects and commits that huggingface_hub pushes."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_stand_in"
LFS_ENDS = (".safetensors", ".onnx")


@dataclass
class Hub:
    """The pushed repositories.

    private: whether each repository is private. files: the content of each file, by its path.
    commits: the summaries of the commits. unknown: the requests that the stand-in does not know.
    """

    url: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the body of the answer to a request that has the token."""
        if method == "PUT" and path.startswith("/objects/"):
            assert hashlib.sha256(body).hexdigest() == path.removeprefix("/objects/")
            self.objects[path.removeprefix("/objects/")] = body
            return 200, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            assert json.loads(body)["repoType"] == "model"
            return 200, {"errors": [], "warnings": []}
        repository = path.removeprefix("/api/models/").removeprefix("/").split("/")
        name = "/".join(repository[:2]).removesuffix(".git")
        if name not in self.private:
            return 404, {"error": "Repository not found"}
        if path.endswith("/preupload/main"):
            modes = [(one["path"], one["path"].endswith(LFS_ENDS)) for one in json.loads(body)["files"]]
            files = [{"path": at, "uploadMode": "lfs" if big else "regular"} for at, big in modes]
            return 200, {"files": [{**one, "shouldIgnore": False} for one in files]}
        if path.endswith("/info/lfs/objects/batch"):
            upload = [
                {**one, "actions": {"upload": {"href": f"{self.url}/objects/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": upload}
        if path.endswith("/commit/main"):
            return self._commit(name, [json.loads(line) for line in body.splitlines()])
        self.unknown.append(f"{method} {path}")
        return 404, {"error": "unknown"}

    def _create(self, asked: Any) -> tuple[int, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.private:
            return 409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"}
        self.private[name] = asked["visibility"] == "private"
        return 200, {"url": f"{self.url}/{name}", "name": name}

    def _commit(self, name: str, lines: list[Any]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                assert value["encoding"] == "base64"
                self.files[f"{name}/{value['path']}"] = base64.b64decode(value["content"])
            else:
                assert line["key"] == "lfsFile"
                self.files[f"{name}/{value['path']}"] = self.objects[value["oid"]]
        url = f"{self.url}/{name}/commit/{'0' * 40}"
        return 200, {"commitUrl": url, "commitOid": "0" * 40, "hookOutput": "", "success": True}


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve a Hub that accepts one token."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            has_token = self.headers.get("Authorization") == f"Bearer {TOKEN}" or path.startswith("/objects/")
            status, content = hub.answer(self.command, path, body) if has_token else (401, {"error": "no token"})
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_HEAD = do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
