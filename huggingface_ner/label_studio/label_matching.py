"""How well the labels of a model and those of a labelling config match."""

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_ner.label_studio.labeling_config import LabelingConfig


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """The labels of a model and of a labelling config, each in its own order.

    unmatched_model: labels of the model that match no label of the config, so they are never suggested.
    unmatched_config: labels of the config that the model does not know, so they are never suggested either.
    """

    model: tuple[str, ...]
    config: tuple[str, ...]
    unmatched_model: tuple[str, ...]
    unmatched_config: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no label of the model has a counterpart, so that nothing is ever suggested."""
        return len(self.unmatched_model) == len(self.model)

    @property
    def is_complete(self) -> bool:
        """Whether every label of the config can be suggested."""
        return not self.unmatched_config

    @property
    def is_exact(self) -> bool:
        """Whether every label on either side has a counterpart."""
        return not self.unmatched_config and not self.unmatched_model

    def __str__(self) -> str:
        """Say in one sentence what is never suggested and what to do about it; for the log."""
        if self.is_complete:
            told = f"the model knows every label of the labelling config: {_names(self.config)}"
            left = f"; its other labels, {_names(self.unmatched_model)}, match none and are never suggested"
            return told + (left if self.unmatched_model else "")
        if self.is_empty:
            return (
                f"no label of the model ({_names(self.model)}) matches one of the labelling config "
                f"({_names(self.config)}), so nothing is suggested; give the config's labels the model's names "
                "with predicted_values, or train on annotated tasks"
            )
        spare = (
            f"; labels of the model that match none: {_names(self.unmatched_model)}"
            if self.unmatched_model
            else ""
        )
        return (
            "the model does not know these labels of the labelling config, so it never suggests them: "
            f"{_names(self.unmatched_config)}{spare}; if a label has another name in the model, give it with "
            "predicted_values"
        )


def match_labels(model_labels: Sequence[str], config: LabelingConfig) -> LabelMatch:
    """Compare the labels of a model with those of a labelling config, by ``LabelingConfig.match_labels``."""
    matched = config.match_labels(model_labels)
    # a label of the model can have a different counterpart over each text
    reached = {
        label
        for text_object in config.objects
        for label in config.match_labels(model_labels, text_object).values()
    }
    return LabelMatch(
        tuple(model_labels),
        config.label_names,
        tuple(label for label in model_labels if label not in matched),
        tuple(label for label in config.label_names if label not in reached),
    )


def _names(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "none"
