"""Claims a folder of models for a Label Studio, so that another Label Studio never gets its models.

A claim is a file that is made once, completely or not at all; see model_places. Models of an older release belong
to the Label Studio that is configured when this release first starts. They are not moved.
"""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from huggingface_ner.model_places import HOST_FILE, OWN, PlaceError, normalized, place_of, places
from huggingface_ner.settings import Settings
from huggingface_ner.store.files import ASIDE, make_folder, replaced_file
from huggingface_ner.store.versions import project_stores

logger = logging.getLogger(__name__)


def claim_models(settings: Settings) -> None:
    """Claim a place for the models of LABEL_STUDIO_HOST, before anything is stored there.

    If several processes claim a place at the same time, one of them wins, and the others read its claim.
    Raises PlaceError and OSError.
    """
    models, host = settings.all_models_folder, normalized(settings.label_studio_host)
    while host not in (known := places(models)).values():
        name = place_of(models, host)
        make_folder(models / name)
        _write_new(models / name / HOST_FILE, host)
    if known.get(OWN, host) != host:
        logger.warning(
            "%s has models of %s. LABEL_STUDIO_HOST=%s is another Label Studio, so its models are kept apart, in "
            "%s. If it is the same one under another address, run: python -m huggingface_ner projects adopt %s",
            models,
            known[OWN],
            host,
            models / place_of(models, host),
            known[OWN],
        )


def adopt_models(settings: Settings, address: str) -> str:
    """Give LABEL_STUDIO_HOST the models of ``address``, which is its former address; return their place.

    Raises PlaceError if there are no such models, or if LABEL_STUDIO_HOST has models already. Also raises OSError.
    """
    models, host, old = settings.all_models_folder, normalized(settings.label_studio_host), normalized(address)
    known = {host: name for name, host in places(models).items()}
    if old not in known:
        raise PlaceError(
            f"no models of {old} in {models}; this folder has models of: {', '.join(known) or 'none'}"
        )
    if old == host:
        raise PlaceError(f"{old}: this is LABEL_STUDIO_HOST; set LABEL_STUDIO_HOST to the new address first")
    if host in known:
        projects = project_stores(models / known[host])
        if projects:
            numbers = ", ".join(map(str, projects))
            raise PlaceError(
                f"{host} has its own models, of the projects {numbers}; remove them first with `projects remove`"
            )
        (models / known[host] / HOST_FILE).unlink()
    with replaced_file(models / known[old] / HOST_FILE) as file:
        file.write_text(f"{host}\n", encoding="utf-8")
    return known[old]


def _write_new(path: Path, text: str) -> None:
    """Write a file unless it exists; a reader sees all of it or nothing. Raises OSError."""
    aside = path.with_name(f"{ASIDE}{secrets.token_hex(4)}")
    try:
        with aside.open("x", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        _link(aside, path, text)
    finally:
        aside.unlink(missing_ok=True)


def _link(aside: Path, path: Path, text: str) -> None:
    with suppress(FileExistsError):  # another process was faster
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            raise
        except OSError:  # this file system has no hard links
            with path.open("x", encoding="utf-8") as file:
                file.write(f"{text}\n")
