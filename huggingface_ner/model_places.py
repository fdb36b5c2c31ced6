"""Finds the models of each Label Studio in the folder of all models.

Every Label Studio numbers its projects from 1, so a project's number alone does not identify its models. Each
Label Studio therefore has a *place*, a folder for its models. The place of the first Label Studio is the folder of
all models itself, as in releases up to 0.2.0. The places of the others are subfolders. A file in each place
contains the address of its Label Studio.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_ner.errors import HuggingFaceNERError

# The file in each place with the address of its Label Studio.
HOST_FILE = "label_studio_host"
# The name of the place that is the folder of all models itself.
OWN = ""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_PLAIN = re.compile(r"[^a-z0-9.]+")
MAX_NAME = 40


class PlaceError(HuggingFaceNERError):
    """It is not known which Label Studio's models a folder contains; the message says what to do."""


def normalized(address: str) -> str:
    """Normalize a Label Studio's address: scheme and host in lower case, no default port, no final slash."""
    url = urlsplit(address.strip())
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = url.port
    shown = "" if port is None or port == _DEFAULT_PORTS.get(url.scheme) else f":{port}"
    return f"{url.scheme}://{host}{shown}{url.path.rstrip('/')}"


def read_host(place: Path) -> str | None:
    """Return the address of the Label Studio whose models are in a folder; None if no Label Studio has claimed it.

    Raises PlaceError if the file cannot be read. The models may then belong to another Label Studio.
    """
    path = place / HOST_FILE
    try:
        address = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise PlaceError(_unreadable(path, str(error))) from error
    if not address.startswith(("http://", "https://")):
        raise PlaceError(_unreadable(path, "it is not an address"))
    return normalized(address)


def places(models: Path) -> dict[str, str]:
    """Return the address of each Label Studio that has a place, by the place's name; raises PlaceError."""
    found: dict[str, str] = {}
    names = [OWN, *sorted(path.parent.name for path in models.glob(f"[!.]*/{HOST_FILE}"))]
    for name in names:
        address = read_host(models / name)
        if address is not None:
            found[name] = address
    return found


def place_of(models: Path, address: str) -> str:
    """Return the name of a Label Studio's place; the folder may not exist yet.

    If no Label Studio has claimed the folder of all models itself, that folder is the place.
    """
    known = places(models)
    wanted = normalized(address)
    for name, host in known.items():
        if host == wanted:
            return name
    return _new_name(wanted, set(known)) if OWN in known else OWN


def _new_name(address: str, taken: set[str]) -> str:
    """Return a new place's name, from which people recognise the Label Studio.

    A name of digits alone would be taken for a project.
    """
    plain = _NOT_PLAIN.sub("-", address.partition("://")[2]).strip("-.")[:MAX_NAME]
    name = f"{plain}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    number = 2
    while name in taken:  # the Label Studio of that place has a new address since then, see store.claims
        name = f"{name.partition('--')[0]}--{number}"
        number += 1
    return name


def _unreadable(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be read ({reason}), so it is not known which Label Studio the models belong to: write the "
        "address of their Label Studio into it"
    )
