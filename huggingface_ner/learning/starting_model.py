"""The model that trainings start from."""

import logging
from pathlib import Path

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder
from huggingface_ner.settings import Settings

logger = logging.getLogger(__name__)


def starting_model(settings: Settings) -> str | Path:
    """Return the baseline or, where the default one cannot be had, the packaged encoder that stands in for it."""
    if settings.baseline_is_set:
        return settings.baseline_model_name
    try:
        load_tokenizer(settings.baseline_model_name)
    except ModelError as error:
        logger.warning("%s; training from the packaged encoder instead", error)
        return packaged_encoder()
    return settings.baseline_model_name
