"""The model that stands in for the default baseline if the baseline cannot be loaded."""

from pathlib import Path
from typing import Literal

# The name, in messages and metrics.json, of the encoder that is installed with the service. Its folder has another
# name, `model`.
PACKAGED_ENCODER = "all-MiniLM-L6-v2"

# Where a baseline comes from: the packaged encoder, a folder, or the Hub.
BaselineSource = Literal["package", "folder", "hub"]


def stand_in(*, is_set: bool) -> Path | None:
    """Return the folder of the packaged encoder, which stands in for the default baseline.

    For a baseline that a person has set, return None.
    is_set: whether a person has set BASELINE_MODEL_NAME; a baseline that was set is never replaced.
    """
    from huggingface_ner.engines.pretrained import packaged_encoder  # noqa: PLC0415 - it imports torch

    return None if is_set else packaged_encoder()


def baseline_name(baseline: str | Path) -> str:
    """Return the name to show for a model that trainings start from; the stand-in's name is PACKAGED_ENCODER."""
    return PACKAGED_ENCODER if baseline == stand_in(is_set=False) else str(baseline)


def baseline_source(baseline: str | Path) -> BaselineSource:
    """Return where a baseline comes from; a folder of its name comes before the Hub, as in loading."""
    if baseline == stand_in(is_set=False):
        return "package"
    return "folder" if Path(baseline).is_dir() else "hub"
