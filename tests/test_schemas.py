"""The files that Docker Compose and GitHub read conform to their schemas, which check-jsonschema contains."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
SCHEMAS = {
    "docker-compose.yml": "vendor.compose-spec",
    "docker-compose.gpu.yml": "vendor.compose-spec",
    ".github/dependabot.yml": "vendor.dependabot",
    **{path.relative_to(ROOT).as_posix(): "vendor.github-workflows" for path in sorted(WORKFLOWS.iterdir())},
}


def _check(schema: str, file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_is_valid(name: str) -> None:
    ran = _check(SCHEMAS[name], ROOT / name)
    assert ran.returncode == 0, ran.stdout


def test_a_file_that_is_not_valid_is_found(tmp_path: Path) -> None:
    workflow = yaml.safe_load((WORKFLOWS / "ci.yml").read_text(encoding="utf-8"))
    workflow["jobs"]["test"]["run-on"] = workflow["jobs"]["test"].pop("runs-on")
    (tmp_path / "ci.yml").write_text(yaml.safe_dump(workflow), encoding="utf-8")
    assert _check("vendor.github-workflows", tmp_path / "ci.yml").returncode == 1


def test_dependabot_looks_at_each_kind_of_pin() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    watched = {(update["package-ecosystem"], update["directory"]) for update in updates}
    assert watched == {
        ("pip", "/"),
        ("docker", "/"),
        ("docker", "/deploy/kubernetes/redis"),
        ("docker-compose", "/"),
        ("github-actions", "/"),
    }
    for _, folder in watched:
        assert (ROOT / folder.removeprefix("/")).is_dir()


def test_a_release_has_an_image_for_each_kind_that_compose_builds() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "release.yml").read_text(encoding="utf-8"))
    kinds = workflow["jobs"]["images"]["strategy"]["matrix"]["include"]
    released = {each["kind"]: each["torch-index-url"] for each in kinds}
    built = {}
    for name in ("docker-compose.yml", "docker-compose.gpu.yml"):
        backend = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]["backend"]
        url = backend["build"]["args"]["TORCH_INDEX_URL"]
        built[backend["image"].partition(":")[2]] = url.removeprefix("${TORCH_INDEX_URL:-").removesuffix("}")
    assert released == built


@pytest.mark.parametrize("path", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_no_token_stays_in_a_checkout(path: Path) -> None:
    """The steps need no token for git, and what they build or upload must not contain one."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    checkouts = [step for job in jobs for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
