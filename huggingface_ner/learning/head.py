"""A token-classification head for the labelling config's labels."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import tag_names
from huggingface_ner.tagging.decoding import OUTSIDE, TagScheme

# Maps those of a model's labels that have a counterpart among the labels to learn to it.
MatchLabels = Callable[[Sequence[str]], Mapping[str, str]]


def replace_head(model: PreTrainedModel, scheme: TagScheme, match_labels: MatchLabels | None) -> str:
    """Replace a model's head by a new one for a scheme's tags; return the head's name.

    Rows of the old head are copied for labels that ``match_labels`` finds a counterpart for; None: none is copied.
    Raises ModelError if the model has no linear head.
    """
    name, old = _head(model)
    new = nn.Linear(old.in_features, len(scheme.tags), bias=old.bias is not None)
    nn.init.normal_(new.weight, std=getattr(model.config, "initializer_range", 0.02))
    if old.bias is not None:
        nn.init.zeros_(new.bias)
    if match_labels is not None:
        with torch.no_grad():
            for row, source in _counterparts(scheme, TagScheme.from_names(tag_names(model)), match_labels):
                new.weight[row] = old.weight[source]
                if old.bias is not None:
                    new.bias[row] = old.bias[source]
    model.set_submodule(name, new)
    vars(model)["num_labels"] = len(scheme.tags)  # the loss reads it from the model, not from its config
    model.config.id2label = dict(enumerate(scheme.names))
    model.config.label2id = {tag: index for index, tag in enumerate(scheme.names)}
    return name


def _head(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    heads = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(f"{model.base_model_prefix}.")
    ]
    if not heads or heads[-1][1].out_features != model.config.num_labels:
        raise ModelError(
            f"{model.name_or_path}: {type(model).__name__} has no linear head to replace; choose another baseline"
        )
    return heads[-1]


def _counterparts(new: TagScheme, old: TagScheme, match_labels: MatchLabels) -> list[tuple[int, int]]:
    """Return (new row, old row) for each new tag that the old head has too, whatever its tag scheme."""
    old_labels = {"": ""}
    for old_label, new_label in match_labels(old.labels).items():
        old_labels.setdefault(new_label, old_label)
    nearest = {OUTSIDE: (OUTSIDE,), "B": ("B", "S", "I"), "I": ("I", "E", "B")}
    rows = []
    for row, (prefix, label) in enumerate(new.tags):
        if label in old_labels:
            sources = [(candidate, old_labels[label]) for candidate in nearest[prefix]]
            rows += [(row, old.ids[source]) for source in sources if source in old.ids][:1]
    return rows
