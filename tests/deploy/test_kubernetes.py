"""deploy/kubernetes: the manifests are valid, whole, and say what docker-compose.yml says."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from huggingface_ner.settings import Settings
from tests import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
PARTS = ("base", "redis")
# the oldest and the newest version that the manifests are checked for
VERSIONS = ("1.30", "1.37")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def objects(folder: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in folder.glob("*.yaml") if path.name != KUSTOMIZATION)
    return [found for path in files for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


OBJECTS = {(each["kind"], each["metadata"]["name"]): each for part in PARTS for each in objects(FOLDER / part)}
NAMESPACE = yaml.safe_load((FOLDER / "namespace.yaml").read_text(encoding="utf-8"))
PODS = {name: each["spec"]["template"] for (_, name), each in OBJECTS.items() if "template" in each["spec"]}
OURS = ("server", "worker")


def kustomization(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / KUSTOMIZATION).read_text(encoding="utf-8")))


def patched(value: Any, patch: Any) -> Any:
    """Return a value with a strategic merge patch, as far as our patches need it: lists by name."""
    if isinstance(patch, dict):
        return {**value, **{key: patched(value.get(key, {}), item) for key, item in patch.items()}}
    if isinstance(patch, list):
        by_name = {item["name"]: item for item in value}
        assert {item["name"] for item in patch} <= by_name.keys(), "each patched container exists"
        return [*{**by_name, **{item["name"]: patched(by_name[item["name"]], item) for item in patch}}.values()]
    return patch


def container(name: str) -> dict[str, Any]:
    (only,) = PODS[name]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", OBJECTS, ids=str)
def test_each_object_is_valid(key: tuple[str, str], version: str) -> None:
    kubernetes_validate.validate(OBJECTS[key], version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_namespace_is_valid_and_used(version: str) -> None:
    kubernetes_validate.validate(NAMESPACE, version, strict=True)
    assert kustomization(FOLDER)["namespace"] == NAMESPACE["metadata"]["name"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OURS)
def test_each_patch_for_gpus_changes_a_deployment_into_a_valid_one(name: str, version: str) -> None:
    (patch,) = (each for each in objects(FOLDER / "gpu") if each["metadata"]["name"] == name)
    result = patched(OBJECTS[patch["kind"], name], patch)
    kubernetes_validate.validate(result, version, strict=True)
    (changed,) = result["spec"]["template"]["spec"]["containers"]
    assert changed["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert changed["image"] == "huggingface-ner", "the rest is kept"


@pytest.mark.parametrize("folder", [*PARTS, "gpu"])
def test_a_kustomization_lists_exactly_the_files_beside_it(folder: str) -> None:
    written = kustomization(FOLDER / folder)
    listed = [*written.get("resources", []), *(patch["path"] for patch in written.get("patches", []))]
    assert {*listed, KUSTOMIZATION} == {path.name for path in (FOLDER / folder).iterdir()}
    assert len(listed) == len(set(listed))
    assert written["kind"] == ("Kustomization" if folder == "base" else "Component")


def test_all_parts_are_named_in_the_whole() -> None:
    written = kustomization(FOLDER)
    assert [*written["resources"], *written["components"]] == ["namespace.yaml", "base", "redis"]
    assert "# - gpu " in (FOLDER / KUSTOMIZATION).read_text(encoding="utf-8")
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders == {"base", "redis", "gpu"}
    (image,) = written["images"]
    assert {container(name)["image"] for name in OURS} == {image["name"]}


@pytest.mark.parametrize("name", PODS)
def test_each_pod_is_confined(name: str) -> None:
    pod = PODS[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = container(name)["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    resources = container(name)["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]


@pytest.mark.parametrize("name", OURS)
def test_ours_run_as_the_images_user(name: str) -> None:
    (user,) = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert PODS[name]["spec"]["securityContext"]["runAsUser"] == int(user)


@pytest.mark.parametrize("name", PODS)
def test_selectors_choose_the_pod(name: str) -> None:
    labels = PODS[name]["metadata"]["labels"]
    chosen = 0
    for kind, own in OBJECTS:
        spec = OBJECTS[kind, own]["spec"]
        if own != name or kind == "PersistentVolumeClaim":
            continue
        selector = spec.get("podSelector") or spec["selector"]
        assert selector.get("matchLabels", selector) == labels
        chosen += 1
    assert chosen >= 1


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists_and_every_secret_is_a_file(name: str) -> None:
    known = {field.upper() for field in Settings.model_fields}
    (settings,) = kustomization(FOLDER / "base")["configMapGenerator"]
    literals = dict(literal.split("=", 1) for literal in settings["literals"])
    environment = {entry["name"]: entry["value"] for entry in container(name)["env"]}
    assert container(name)["envFrom"] == [{"configMapRef": {"name": settings["name"]}}]
    assert literals.keys() | environment.keys() <= known
    Settings.model_validate({key.lower(): value for key, value in literals.items()})
    files = {key: value for key, value in environment.items() if key.endswith("_FILE")}
    assert files.keys() == {field for field in known if field.endswith("_FILE")}
    (mount,) = (each for each in container(name)["volumeMounts"] if each["name"] == "secrets")
    (volume,) = (each for each in PODS[name]["spec"]["volumes"] if each["name"] == "secrets")
    paths = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
    assert set(files.values()) == paths


def test_docs_make_every_secret() -> None:
    docs = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    (name,) = {
        volume["secret"]["secretName"]
        for pod in PODS.values()
        for volume in pod["spec"]["volumes"]
        if "secret" in volume
    }
    keys = {
        item["key"]
        for pod in PODS.values()
        for volume in pod["spec"]["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    assert f"create secret generic {name}" in docs
    assert set(re.findall(r"--from-(?:file|literal)=([\w-]+)=", docs)) == keys


@pytest.mark.parametrize("name", OURS)
def test_everything_that_is_written_has_a_volume(name: str) -> None:
    mounted = {each["name"]: each["mountPath"] for each in container(name)["volumeMounts"]}
    volumes = {each["name"]: each for each in PODS[name]["spec"]["volumes"]}
    assert mounted.keys() == volumes.keys()
    assert mounted["data"] == "/data"
    assert mounted["temporary"] == "/tmp"
    assert "sizeLimit" in volumes["temporary"]["emptyDir"]
    claim = OBJECTS["PersistentVolumeClaim", volumes["data"]["persistentVolumeClaim"]["claimName"]]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_probes_tell_health_and_readiness_apart() -> None:
    server, worker = container("server"), container("worker")
    commands = {kind: server[f"{kind}Probe"]["exec"]["command"] for kind in ("startup", "liveness", "readiness")}
    assert commands["startup"] == commands["liveness"] == ["healthcheck.sh", "server", "/health"]
    assert commands["readiness"] == ["healthcheck.sh", "server", "/ready"]
    for kind in ("startup", "liveness"):
        assert worker[f"{kind}Probe"]["exec"]["command"] == ["healthcheck.sh", "worker"]
    assert OBJECTS["Deployment", "server"]["spec"]["replicas"] > 1
    assert worker["command"] == COMPOSE["worker"]["command"]


def test_redis_is_that_of_compose() -> None:
    assert container("redis")["image"] == COMPOSE["redis"]["image"]
    ours = container("redis")["command"][-1].replace("$(cat /run/secrets/redis/redis-password)", "$$REDISCLI_AUTH")
    assert ours == COMPOSE["redis"]["command"][-1]
