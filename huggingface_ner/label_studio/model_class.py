"""Loads the class that predicts, which the setting MODEL_CLASS names."""

import importlib
import sys
from pathlib import Path
from typing import Any

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.label_studio.base_class import LabelStudioMLBase


class ModelClassError(HuggingFaceNERError):
    """A MODEL_CLASS that cannot be used; the message says why and what it should be."""


def load_model_class(name: str, base: type[Any] = LabelStudioMLBase) -> type[Any]:
    """Return the class that ``module:Class`` names; the module may lie in the current folder.

    base: the class that it has to be a subclass of. Raises ModelClassError.
    """
    module_name, _, class_name = name.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:  # a console script and gunicorn do not add it themselves
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the module is written by others, and may raise anything
        is_missing = isinstance(error, ModuleNotFoundError) and module_name.startswith(error.name or module_name)
        advice = "; put the module into the current folder or on PYTHONPATH" if is_missing else ""
        raise ModelClassError(
            f"MODEL_CLASS={name}: {module_name} cannot be imported ({type(error).__name__}: {error}){advice}"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise ModelClassError(f"MODEL_CLASS={name}: {module_name} has no class {class_name}")
    if not issubclass(found, base):
        raise ModelClassError(f"MODEL_CLASS={name}: {class_name} is not a subclass of {base.__name__}")
    return found
