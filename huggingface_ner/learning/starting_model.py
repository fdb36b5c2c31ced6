"""Chooses the model that trainings start from."""

import logging
from pathlib import Path

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import load_tokenizer
from huggingface_ner.engines.stand_in import PACKAGED_ENCODER, stand_in

logger = logging.getLogger(__name__)


def starting_model(baseline: str, *, is_set: bool) -> str | Path:
    """Return the baseline, or its stand-in if the default baseline cannot be loaded.

    baseline: the value of BASELINE_MODEL_NAME. is_set: whether the user has set it.
    """
    replacement = stand_in(is_set=is_set)
    if replacement is None:
        return baseline
    try:
        load_tokenizer(baseline)
    except ModelError as error:
        logger.warning("%s; training from the packaged encoder, %s, instead", error, PACKAGED_ENCODER)
        return replacement
    return baseline
