"""The error for models that cannot be used."""

from huggingface_ner.errors import HuggingFaceNERError


class ModelError(HuggingFaceNERError):
    """A folder or Hub name that cannot be used as the requested model; the message names it and says why."""
