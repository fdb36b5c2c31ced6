"""Where the models of each Label Studio are, in the folder of all models.

Every Label Studio counts its projects from 1, so a project's number alone does not say whose models they are. The
models of the first Label Studio that used the folder are in the folder itself, as in releases up to 0.2.0; a file
there has its address. Each other Label Studio has a subfolder, a *place*, with such a file of its own.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_ner.errors import HuggingFaceNERError

# The file in each place that has the address of its Label Studio.
HOST_FILE = "label_studio_host"
# The name of the place that is the folder itself.
OWN = ""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_PLAIN = re.compile(r"[^a-z0-9.]+")
MAX_NAME = 40


class PlaceError(HuggingFaceNERError):
    """It is not known whose models a folder has; the message says what to do."""


def normalized(address: str) -> str:
    """Return an address of a Label Studio in one spelling: without its default port, in lower case."""
    url = urlsplit(address.strip())
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = url.port
    shown = "" if port is None or port == _DEFAULT_PORTS.get(url.scheme) else f":{port}"
    return f"{url.scheme}://{host}{shown}{url.path.rstrip('/')}"


def read_host(place: Path) -> str | None:
    """Return the address of the Label Studio whose models are in a folder; None if nobody has claimed it.

    Raises PlaceError if the file cannot be read: the models are nobody else's then.
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
    """Return the name of a Label Studio's place, which need not exist yet.

    If nobody has claimed the folder itself, it is the place of whoever asks.
    """
    known = places(models)
    wanted = normalized(address)
    for name, host in known.items():
        if host == wanted:
            return name
    return _new_name(wanted, set(known)) if OWN in known else OWN


def _new_name(address: str, taken: set[str]) -> str:
    """Return a name that tells people which Label Studio it is; digits alone would be a project."""
    plain = _NOT_PLAIN.sub("-", address.partition("://")[2]).strip("-.")[:MAX_NAME]
    name = f"{plain}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    number = 2
    while name in taken:  # its Label Studio has got another address since, see store.claims
        name = f"{name.partition('--')[0]}--{number}"
        number += 1
    return name


def _unreadable(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be read ({reason}), so it is not known whose models are there: write the address of their "
        "Label Studio into it"
    )
