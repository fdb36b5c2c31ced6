"""The pointer of a project, a small file: which version is in use, and from which time on."""

import time
from pathlib import Path

from pydantic import BaseModel, Field

from huggingface_ner.store.damages import damages
from huggingface_ner.store.version_names import PATTERN

# Maximum seconds until a version takes effect. The clocks of two machines may differ by about a minute.
MAX_DELAY = 60.0


class Pointer(BaseModel, frozen=True):
    """The content of the file: ``version`` is in use from ``since`` on, and ``before`` until then.

    since: seconds since 1970. before: None if the baseline is in use until then.
    """

    version: str = Field(pattern=f"^{PATTERN}$")
    before: str | None = Field(None, pattern=f"^{PATTERN}$")
    since: float = Field(allow_inf_nan=False)

    def serving_version(self) -> str | None:
        """Return the version in use now, or None if the baseline is in use."""
        return self.version if time.time() >= self.since else self.before


def read_pointer(path: Path) -> Pointer:
    """Return the pointer in a file; raises OSError, and ValidationError if the file is damaged.

    A version that would take effect more than MAX_DELAY from now is in use at once, because the clock that said so
    was wrong. The log says so.
    """
    pointer = Pointer.model_validate_json(path.read_bytes())
    too_late = (
        f"{path}: {pointer.version} is used now, because its time, {pointer.since:.15g} seconds after 1970, was "
        f"more than {MAX_DELAY:g} seconds ahead; check the clocks of the machines that use MODEL_DIR"
    )
    # the version before does not come back when less than MAX_DELAY is left
    if pointer.since > time.time() + MAX_DELAY or damages.is_known(path, too_late):
        damages.found(path, too_late)
        return pointer.model_copy(update={"since": 0.0})
    damages.repaired(path)
    return pointer
