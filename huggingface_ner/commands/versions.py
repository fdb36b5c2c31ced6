"""The command ``versions``: lists, chooses and deletes the versions of all projects' models."""
# ruff: noqa: PLC0415

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from huggingface_ner.commands.options import Commands, add_command
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from huggingface_ner.store.versions import ModelStore, Version


def add_versions(commands: Commands) -> None:
    """Add the command ``versions``."""
    parser = add_command(
        commands,
        versions,
        "List the versions of all projects' models, switch a project to a version, or delete one.",
    )
    parser.add_argument("action", choices=["list", "use", "remove"])
    parser.add_argument("version", nargs="?", help="name of the version to use or remove, as shown by list")


def versions(options: argparse.Namespace, settings: Settings) -> None:
    """List the versions of all projects' models, switch to one, or delete one."""
    from huggingface_ner.store.versions import StoreError, project_stores

    stores = project_stores(settings.models_folder)
    if options.action == "list":
        _print_versions(stores)
        return
    if options.version is None:
        raise StoreError(f"versions {options.action}: the version is missing; `versions list` shows them")
    for _, store, published in _readable(stores):
        if options.version in [version.name for version in published]:
            if options.action == "use":
                store.use(options.version)
                print(f"{options.version}: in use in a few seconds, until a training publishes a new version")
            else:
                store.remove(options.version)
                print(f"{options.version}: deleted")
            return
    raise StoreError(f"{options.version}: no such version; `versions list` shows the existing ones")


def _print_versions(stores: "dict[int, ModelStore]") -> None:
    print(f"{'project':>7}  {'version':20}  {'in use':6}  {'f1':>6}  trained on")
    for project_id, store, published in _readable(stores):
        current = store.current()
        for version in published:
            f1 = version.metrics.get("f1")
            shown = f"{f1:.3f}" if isinstance(f1, float) else "-"
            in_use = "yes" if version.name == current else ""
            trained = version.metrics.get("trained", "-")
            print(f"{project_id:7}  {version.name:20}  {in_use:6}  {shown:>6}  {trained}")


def _readable(stores: "dict[int, ModelStore]") -> "Iterator[tuple[int, ModelStore, list[Version]]]":
    """Yield each project and its versions; if a project's folder cannot be read, report and omit the project."""
    for project_id, store in stores.items():
        try:
            published = store.versions()
        except OSError as error:
            print(f"project {project_id}: its versions cannot be read: {error}", file=sys.stderr)
        else:
            yield project_id, store, published
