"""The command ``versions``: lists, chooses, deletes, exports and pushes the versions of all projects' models."""
# ruff: noqa: PLC0415

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_ner.commands.options import Commands, add_action, add_actions, add_command
from huggingface_ner.settings import MODEL_LANGUAGE, Settings
from huggingface_ner.temporary_folders import temporary_folder
from huggingface_ner.variables import MODEL_LICENSE_PATTERN

if TYPE_CHECKING:
    from huggingface_ner.store.versions import ModelStore, Version

EXPORT_FOLDER = "huggingface-ner-export-"


def add_versions(commands: Commands) -> None:
    """Add the command ``versions``."""
    parser = add_command(
        commands,
        versions,
        "List the versions of all projects' models, switch a project to a version, delete one, or export one as a "
        "Hugging Face model.",
    )
    actions = add_actions(parser)
    add_action(actions, "list", _list, "list the versions")
    use = add_action(actions, "use", _use, "switch a project to a version, until a training publishes a new one")
    remove = add_action(actions, "remove", _remove, "delete a version that is not in use")
    export = add_action(
        actions,
        "export",
        _export,
        "write a version as a Hugging Face model into a folder or a zip file, without any texts",
    )
    push = add_action(actions, "push", _push, "push a version as a Hugging Face model to the Hub, using HF_TOKEN")
    for each in (use, remove):
        each.add_argument("version", nargs="?", help="name of the version, as shown by list")
    for each in (export, push):
        each.add_argument("version", help="name of the version, as shown by list")
    where = export.add_mutually_exclusive_group(required=True)
    where.add_argument("folder", nargs="?", type=Path, help="folder to write; replaces an exported model")
    where.add_argument("--zip", type=Path, metavar="FILE", help="zip file to write, instead of a folder")
    push.add_argument("repository", metavar="USER/NAME", help="repository on the Hub; created if it is missing")
    push.add_argument("--public", action="store_true", help="if the repository is created, make it public")
    for each in (export, push):
        _add_card_options(each)


def _add_card_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--license", type=_license, help="license for the model card (default: MODEL_LICENSE)")
    parser.add_argument(
        "--language",
        type=_language,
        action="append",
        metavar="CODE",
        help="language for the model card, an ISO 639 code; can be repeated (default: MODEL_LANGUAGES)",
    )
    parser.add_argument("--onnx", action="store_true", help="also export the model for ONNX Runtime")


def _license(text: str) -> str:
    if not re.fullmatch(MODEL_LICENSE_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a license; an example: apache-2.0")
    return text


def _language(text: str) -> str:
    if not MODEL_LANGUAGE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 639 code; an example: de")
    return text


def versions(options: argparse.Namespace, settings: Settings) -> None:
    """List the versions of all projects' models, or do something with one of them."""
    options.act(options, settings)


def _list(options: argparse.Namespace, settings: Settings) -> None:
    print(f"{'project':>7}  {'version':44}  {'in use':6}  {'f1':>6}  texts learned")
    for project_id, store, published in _readable(settings):
        current = store.current()
        for version in published:
            f1 = version.metrics.get("f1")
            shown = f"{f1:.3f}" if isinstance(f1, float) else "-"
            in_use = "yes" if version.name == current else ""
            trained = version.metrics.get("trained", "-")
            print(f"{project_id:7}  {version.name:44}  {in_use:6}  {shown:>6}  {trained}")


def _use(options: argparse.Namespace, settings: Settings) -> None:
    store, version = _find(options.version, settings)
    store.use(version.name)
    print(f"{version.name}: in use in a few seconds, until a training publishes a new version")


def _remove(options: argparse.Namespace, settings: Settings) -> None:
    store, version = _find(options.version, settings)
    store.remove(version.name)
    print(f"{version.name}: deleted")


def _export(options: argparse.Namespace, settings: Settings) -> None:
    from huggingface_ner.exports.exported_model import write_folder, write_zip

    version = _find(options.version, settings)[1]
    target: Path = options.zip or options.folder
    name = target.stem if options.zip else target.resolve().name
    with temporary_folder(EXPORT_FOLDER) as folder:
        files = _files(version, name, options, settings, folder)
        if options.zip:
            write_zip(files, target, name)
        else:
            write_folder(files, target)
    print(f"{target}: {version.name} as a Hugging Face model; README.md there says how to use it")


def _push(options: argparse.Namespace, settings: Settings) -> None:
    from huggingface_ner.exports.hub import check_repository, push

    version = _find(options.version, settings)[1]
    check_repository(options.repository)
    with temporary_folder(EXPORT_FOLDER) as folder:
        files = _files(version, options.repository, options, settings, folder)
        address = push(files, options.repository, f"Add version {version.name}", private=not options.public)
    print(f"{address}: {version.name} is pushed")


def _files(
    version: "Version", name: str, options: argparse.Namespace, settings: Settings, folder: Path
) -> dict[str, Path | bytes]:
    """Return the files of an exported version. folder: for files that have to be created."""
    from huggingface_ner.exports.exported_model import exported_files, onnx_files
    from huggingface_ner.exports.model_card import CardOptions

    card = CardOptions(
        name, options.license or settings.model_license, options.language or settings.model_languages, options.onnx
    )
    files = exported_files(version, card)
    return {**files, **onnx_files(version, settings.engine_preference, folder)} if options.onnx else files


def _find(name: str | None, settings: Settings) -> "tuple[ModelStore, Version]":
    """Return a version and its store; raises StoreError if it does not exist."""
    from huggingface_ner.store.versions import StoreError

    for _, store, published in _readable(settings):
        for version in published:
            if version.name == name:
                return store, version
    if name is None:
        raise StoreError("the name of the version is missing; `versions list` shows the names")
    raise StoreError(f"{name}: no such version; `versions list` shows the existing ones")


def _readable(settings: Settings) -> "Iterator[tuple[int, ModelStore, list[Version]]]":
    """Yield each project and its versions; if a project's folder cannot be read, report and omit the project."""
    from huggingface_ner.store.versions import project_stores

    for project_id, store in project_stores(settings.models_folder).items():
        try:
            published = store.versions()
        except OSError as error:
            print(f"project {project_id}: its versions cannot be read: {error}", file=sys.stderr)
        else:
            yield project_id, store, published
