"""What stands in for the baseline if that cannot be loaded."""

from pathlib import Path

# The name of the encoder that is installed with the service, in messages and metrics.json; its folder is `model`.
PACKAGED_ENCODER = "all-MiniLM-L6-v2"


def stand_in(*, is_set: bool) -> Path | None:
    """Return the folder of the packaged encoder, which stands in for the default baseline; None for any other.

    is_set: whether a person has set BASELINE_MODEL_NAME: such a baseline is never replaced.
    """
    from huggingface_ner.engines.pretrained import packaged_encoder  # noqa: PLC0415 - it imports torch

    return None if is_set else packaged_encoder()


def baseline_name(baseline: str | Path) -> str:
    """Return the name of a model that trainings start from, to be shown: for the stand-in not its folder."""
    return PACKAGED_ENCODER if baseline == stand_in(is_set=False) else str(baseline)
