"""As CONTRIBUTING says, a package's tests are in the folder of its name, and each module has tests there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = "huggingface_ner"
# Entry points and the test modules that start them. A separate process runs an entry point, so no test imports it.
STARTED = {
    "__main__": "tests/server/test_gunicorn.py",
    "_wsgi": "tests/server/test_gunicorn.py",
    "jobs.process": "tests/jobs/test_worker.py",
    "jobs.queue_guard": "tests/jobs/test_embedded.py",
    "jobs.suggest": "tests/jobs/test_suggest.py",
    "server.gunicorn": "tests/server/test_gunicorn.py",
    "server.gunicorn_worker": "tests/server/test_gunicorn_worker.py",
    "label_studio.base_class": "tests/server/test_gunicorn.py",
}
# Modules that are tested in another folder, because their behaviour shows there, and the test modules that do so.
ELSEWHERE = {
    "commands.evaluate": "tests/test_cli.py",
    "commands.inputs": "tests/test_cli.py",
    "commands.options": "tests/test_cli.py",
    "commands.predict": "tests/test_cli.py",
    "commands.review": "tests/test_cli.py",
    "commands.serve": "tests/test_cli.py",
    "commands.status": "tests/test_cli.py",
    "commands.train": "tests/test_cli.py",
    "commands.versions": "tests/test_cli.py",
    "engines.cores": "tests/test_cli.py",
    "jobs.webhooks": "tests/server/test_training_routes.py",
    "label_studio.model_class": "tests/test_readme.py",
    "label_studio.project_webhooks": "tests/server/test_webhook_credentials.py",
    "learning.progress": "tests/jobs/test_train.py",
    "learning.training": "tests/jobs/test_train.py",
    "learning.version": "tests/jobs/test_train.py",
    "server.probe": "tests/test_cli.py",
    "serving.served_models": "tests/server/test_app.py",
    "store.model_folder": "tests/learning/test_fine_tuning.py",
    "tagging.single_model": "tests/test_readme.py",
    "variables": "tests/test_settings.py",
}
# Folders with tests that belong to no package: they test bench/, demo/, deploy/, and everything together.
OTHER_FOLDERS = {"bench", "demo", "deploy", "e2e"}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
MODULES = sorted(name for name, path in PATHS.items() if path.name != "__init__.py")
PACKAGES = sorted({path.parent for path in PATHS.values() if path.parent != ROOT / PACKAGE})
TEST_MODULES = sorted((ROOT / "tests").rglob("test_*.py"))


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return the modules of huggingface_ner that a file imports; imports inside functions count too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found & PATHS.keys())


def _reached(path: Path, package: str) -> set[str]:
    """Return the modules that a test module imports, directly or through other modules of its package."""
    reached: set[str] = set()
    waiting = set(_imports(path))
    while waiting:
        name = waiting.pop()
        reached.add(name)
        if f"{name}.".startswith(f"{package}."):
            waiting |= _imports(PATHS[name]) - reached
    return reached


@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_reached_by_a_test_module_of_its_package(module: str) -> None:
    """A test module of the package imports the module, directly or through another module of the package."""
    package, _, name = module.rpartition(".")
    short = module.removeprefix(f"{PACKAGE}.")
    if short in STARTED:
        assert (ROOT / STARTED[short]).is_file()
        return
    if short in ELSEWHERE:
        assert module in _reached(ROOT / ELSEWHERE[short], PACKAGE)
        return
    folder = (ROOT / "tests").joinpath(*package.split(".")[1:])
    assert any(module in _reached(path, package) for path in folder.glob("test_*.py")), (
        f"no test module in {folder.relative_to(ROOT)} imports {module}, directly or through its package: "
        f"add test_{name}.py there, or move the module that tests it there"
    )


def test_every_row_names_a_module() -> None:
    assert {f"{PACKAGE}.{name}" for name in (*STARTED, *ELSEWHERE)} <= set(MODULES)


@pytest.mark.parametrize(
    "path", [path for path in TEST_MODULES if path.parent != ROOT / "tests"], ids=lambda path: path.stem
)
def test_each_test_module_is_in_the_folder_of_what_it_tests(path: Path) -> None:
    """It imports from its package, unless it starts a process; some folders test other code."""
    folder = path.parent.relative_to(ROOT / "tests").as_posix()
    assert folder in {*OTHER_FOLDERS, *(package.relative_to(ROOT / PACKAGE).as_posix() for package in PACKAGES)}
    is_starter = path.relative_to(ROOT).as_posix() in {*STARTED.values(), "tests/jobs/test_embedded.py"}
    if folder not in OTHER_FOLDERS and not is_starter:
        assert any(name.startswith(f"{PACKAGE}.{folder.replace('/', '.')}.") for name in _imports(path)), (
            f"{path.relative_to(ROOT)} imports nothing from {PACKAGE}/{folder}"
        )
