"""Replaces a model's token-classification head with one for the labelling config's labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import tag_names
from huggingface_ner.tagging.reading import CONFIG_KEY, Reading
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.tag_names import OUTSIDE

# Maps a model's labels to the labels to learn; labels without a counterpart are left out.
MatchLabels = Callable[[Sequence[str]], Mapping[str, str]]

# Number of entities that are enough to see whether a head opens entities with B or with I, and the maximum number
# of texts that are searched for them.
MAX_OPENINGS = 30
MAX_PROBED = 100


def replace_head(
    model: PreTrainedModel,
    tag_groups: TagGroups,
    match_labels: MatchLabels | None,
    *,
    opens_inside: bool = False,
) -> str:
    """Replace a model's head with a new one for the tags of these groups; return the head's name.

    match_labels: a label with a counterpart in the old head starts with a copy of the counterpart's rows. If None,
    no row is copied.
    opens_inside: the result of the function ``opens_inside`` for the old head.
    A ``Reading`` is saved in the model's config; it says how to read the new head.
    Raises ModelError if the model has no linear head.
    """
    name, old = _head(model)
    new = nn.Linear(old.in_features, tag_groups.size, bias=old.bias is not None)
    nn.init.normal_(new.weight, std=getattr(model.config, "initializer_range", 0.02))
    if old.bias is not None:
        nn.init.zeros_(new.bias)
    if match_labels is not None:
        with torch.no_grad():
            for row, source in _counterparts(
                tag_groups, _tag_groups(model), match_labels, opens_inside=opens_inside
            ):
                new.weight[row] = old.weight[source]
                if old.bias is not None:
                    new.bias[row] = old.bias[source]
    model.set_submodule(name, new)
    vars(model)["num_labels"] = tag_groups.size  # the loss reads this attribute, not the config
    model.config.id2label = dict(enumerate(tag_groups.names))
    model.config.label2id = {tag: index for index, tag in enumerate(tag_groups.names)}
    groups = tag_groups.labels_by_group if len(tag_groups.schemes) > 1 else None
    setattr(model.config, CONFIG_KEY, Reading(tag_scheme="IOB2", groups=groups).saved())
    return name


def update_reading(model: PreTrainedModel, **fields: object) -> None:
    """Set fields of the ``Reading`` in a model's config."""
    reading = Reading.of_model(model).model_copy(update=fields)
    setattr(model.config, CONFIG_KEY, reading.saved())


def opens_inside(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> bool:
    """Return whether a head opens entities with I although it has B tags, as IOB1 heads do.

    The names of its tags do not show this. So its predicted tags are counted, in up to MAX_PROBED texts.
    """
    reading = Reading.of_model(model)
    scheme = reading.tag_groups(tag_names(model)).schemes[0]  # if there are several schemes, all are strict
    if scheme.strict or {"B", "I"} - {prefix for prefix, _ in scheme.tags}:
        return False
    windower = reading.windower(tokenizer, window_length(model))
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


def _tag_groups(model: PreTrainedModel) -> TagGroups:
    return Reading.of_model(model).tag_groups(tag_names(model))


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
    new: TagGroups, old: TagGroups, match_labels: MatchLabels, *, opens_inside: bool
) -> list[tuple[int, int]]:
    """Return (new row, old row) for each new tag that has a counterpart in the old head, in any tag scheme.

    The counterpart of a group's outside tag is the outside tag of the old group that shares the most labels with
    the new group.
    """
    old_labels: dict[str, str] = {}
    for old_label, new_label in match_labels(old.labels).items():
        old_labels.setdefault(new_label, old_label)
    nearest = {
        OUTSIDE: OUTSIDE,
        # the B of an IOB1 head has hardly been trained
        "B": "IEB" if opens_inside else "BSIE",
        "I": "IEBS",
    }
    old_rows = [
        {tag: columns.start + row for tag, row in scheme.ids.items()}
        for scheme, columns in zip(old.schemes, old.columns, strict=True)
    ]
    rows = []
    for scheme, columns in zip(new.schemes, new.columns, strict=True):
        wanted = {old_labels[label] for label in scheme.labels if label in old_labels}
        # the sort is stable: of groups with equally many of the labels, the first one counts
        groups = sorted(
            zip(old.schemes, old_rows, strict=True), key=lambda group: -len(wanted.intersection(group[0].labels))
        )
        for row, (prefix, label) in enumerate(scheme.tags, start=columns.start):
            sources = [(candidate, old_labels.get(label, label)) for candidate in nearest[prefix]]
            found = (ids[source] for _, ids in groups for source in sources if source in ids)
            if not label or label in old_labels:
                rows += [(row, source) for source in islice(found, 1)]
    return rows
