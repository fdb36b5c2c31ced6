"""A token-classification head for the labelling config's labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.pretrained import tag_names, window_length
from huggingface_ner.tagging.decoding import TagScheme
from huggingface_ner.tagging.reading import CONFIG_KEY, Reading
from huggingface_ner.tagging.tag_names import OUTSIDE
from huggingface_ner.tagging.transitions import Weights
from huggingface_ner.tagging.windows import Windower

# Maps a model's labels to the labels to learn; the result omits labels without a counterpart.
MatchLabels = Callable[[Sequence[str]], Mapping[str, str]]

# How many entities are enough to see whether a head opens them with B or with I, and how many texts are searched
# for them at most.
MAX_OPENINGS = 30
MAX_PROBED = 100


def replace_head(
    model: PreTrainedModel, scheme: TagScheme, match_labels: MatchLabels | None, *, opens_inside: bool = False
) -> str:
    """Replace a model's head by a new one for a scheme's tags; return the head's name.

    match_labels: for labels with a counterpart in the old head, its rows are copied; None: no row is copied.
    opens_inside: the result of the function ``opens_inside`` for the old head.
    A ``Reading`` is saved in the model's config; it says how to read the new head.
    Raises ModelError if the model has no linear head.
    """
    name, old = _head(model)
    new = nn.Linear(old.in_features, len(scheme.tags), bias=old.bias is not None)
    nn.init.normal_(new.weight, std=getattr(model.config, "initializer_range", 0.02))
    if old.bias is not None:
        nn.init.zeros_(new.bias)
    if match_labels is not None:
        with torch.no_grad():
            for row, source in _counterparts(scheme, _scheme(model), match_labels, opens_inside=opens_inside):
                new.weight[row] = old.weight[source]
                if old.bias is not None:
                    new.bias[row] = old.bias[source]
    model.set_submodule(name, new)
    vars(model)["num_labels"] = len(scheme.tags)  # the loss reads this attribute, not the config
    model.config.id2label = dict(enumerate(scheme.names))
    model.config.label2id = {tag: index for index, tag in enumerate(scheme.names)}
    setattr(model.config, CONFIG_KEY, Reading(tag_scheme="IOB2").saved())
    return name


def save_transitions(model: PreTrainedModel, weights: Weights) -> None:
    """Save the weights of the transitions in a model's config, beside the ``Reading`` of its new head."""
    reading = Reading.of_model(model).model_copy(update={"transitions": weights})
    setattr(model.config, CONFIG_KEY, reading.saved())


def opens_inside(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> bool:
    """Return whether a head opens entities with I although it has B tags, as IOB1 heads do.

    The names of its tags do not show this, so the tags that it predicts for up to MAX_PROBED texts are counted.
    """
    reading = Reading.of_model(model)
    scheme = reading.scheme(tag_names(model))
    if scheme.strict or {"B", "I"} - {prefix for prefix, _ in scheme.tags}:
        return False
    windower = Windower(tokenizer, window_length(model), word_rules=reading.word_rules)
    openings: Counter[str] = Counter()
    for text in islice(texts, MAX_PROBED):
        for window in windower.windows(windower.tokenize([text])[0]):
            with torch.no_grad():
                logits = model(torch.tensor([window.input_ids], device=model.device)).logits[0]
            tags = [scheme.tags[tag] for tag in logits[window.positions].argmax(dim=-1).tolist()]
            before = ["", *(label for _, label in tags)]
            openings.update(prefix for (prefix, label), last in zip(tags, before, strict=False) if label != last)
        if openings["B"] + openings["I"] >= MAX_OPENINGS:
            break
    return openings["I"] > openings["B"]


def _scheme(model: PreTrainedModel) -> TagScheme:
    return Reading.of_model(model).scheme(tag_names(model))


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


def _counterparts(
    new: TagScheme, old: TagScheme, match_labels: MatchLabels, *, opens_inside: bool
) -> list[tuple[int, int]]:
    """Return (new row, old row) for each new tag that has a counterpart in the old head, in any tag scheme."""
    old_labels = {"": ""}
    for old_label, new_label in match_labels(old.labels).items():
        old_labels.setdefault(new_label, old_label)
    nearest = {
        OUTSIDE: OUTSIDE,
        # the B of an IOB1 head has hardly been trained
        "B": "IEB" if opens_inside else "BSIE",
        "I": "IEBS",
    }
    rows = []
    for row, (prefix, label) in enumerate(new.tags):
        if label in old_labels:
            sources = [(candidate, old_labels[label]) for candidate in nearest[prefix]]
            rows += [(row, old.ids[source]) for source in sources if source in old.ids][:1]
    return rows
