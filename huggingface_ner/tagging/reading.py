"""How a model's output is read.

Fine-tuning writes the reading into the model's ``config.json``. For other models, the names of the tags decide it.
Exported models contain a copy of this module and of all that it imports; see exports.pipeline_code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ValidationError, model_validator

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.tagging.calibration import Calibration
from huggingface_ner.tagging.decoding import TagScheme
from huggingface_ner.tagging.inner_borders import InnerBorders
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.transitions import Weights
from huggingface_ner.tagging.windows import Windower
from huggingface_ner.tagging.words import WORD_RULES

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The key in config.json.
CONFIG_KEY = "huggingface_ner"
# Fields that are saved only if they are set, so that older releases can read the models that need none of them.
_SAVED_IF_SET = frozenset({"groups", "inner_borders", "transitions", "calibrations"})
# The store writes this file beside a version's model, and engines.prepared makes this folder there.
_METRICS = "metrics.json"
_ENGINE = "engine"


class Reading(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a model's output is read.

    tag_scheme: the scheme that the head was trained with; None if only the names of its tags are known.
    groups: the labels of each tag group; None if the head has only one group. See tag_groups.
    word_rules: which version of the word rules the model was trained with; see ``words.py``.
    inner_borders: where the model was trained to cut words; None if it was not.
    transitions: the weights of each tag group's transitions; None if they were not counted. See transitions.
    calibrations: the calibration of each tag group's scores; None if none was fitted.
    """

    tag_scheme: Literal["IOB2"] | None = None
    groups: tuple[tuple[str, ...], ...] | None = None
    word_rules: Literal[1, 2] = WORD_RULES
    inner_borders: InnerBorders | None = None
    transitions: tuple[Weights, ...] | None = None
    calibrations: tuple[Calibration, ...] | None = None

    @model_validator(mode="after")
    def _each_group_has_its_own(self) -> Self:
        for name in ("transitions", "calibrations"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.groups or [None]):
                raise ValueError(f"{name}: there must be one for each tag group")
        return self

    @classmethod
    def of_model(cls, model: "PreTrainedModel") -> Self:
        """Return how a model's output is read; raises ModelError if its config is from a newer version."""
        saved: Mapping[str, Any] | None = getattr(model.config, CONFIG_KEY, None)
        name = model.name_or_path or ""
        return cls.of_saved(saved, name, ours=_is_a_version(Path(name)))

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any] | None, name: str, *, ours: bool) -> Self:
        """Read a value that the method ``saved`` returned; raises ModelError as ``of_model`` does.

        saved: the value; None if the model's config has none. name: the name of the model or file, for messages.
        ours: whether this package trained the model.
        """
        if saved is None:
            return cls(tag_scheme="IOB2", word_rules=1) if ours else cls()
        try:
            return cls.model_validate(saved)
        except ValidationError as error:
            raise ModelError(
                f"{name}: {CONFIG_KEY}={saved!r} in its config is unknown here; a newer version of this package "
                "trained the model, so upgrade to that version"
            ) from error

    def saved(self) -> dict[str, Any]:
        """Return the value that ``config.json`` has under CONFIG_KEY."""
        unset = {name for name in _SAVED_IF_SET if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unset)

    def windower(self, tokenizer: "PreTrainedTokenizerBase | Tokenizer", max_length: int) -> Windower:
        """Return a windower that cuts texts into words by the same rules as in training."""
        return Windower(tokenizer, max_length, word_rules=self.word_rules, inner_borders=self.inner_borders)

    def tag_groups(self, names: Sequence[str]) -> TagGroups:
        """Return the tag groups of a head whose outputs have these names."""
        if self.groups:
            groups = TagGroups.bio(self.groups, self.transitions, self.calibrations)
            if groups.names == list(names):
                return groups
        # another tool may have given the head other tags and kept the rest of the config
        ours = self.tag_scheme and all(name == "O" or name[:2] in ("B-", "I-") for name in names)
        if not ours:
            return TagGroups((TagScheme.from_names(names),))
        weights = self.transitions[0] if self.transitions and not self.groups else None
        calibration = self.calibrations[0] if self.calibrations and not self.groups else None
        return TagGroups((TagScheme.from_bio_names(names, weights, calibration),))


def _is_a_version(folder: Path) -> bool:
    """Return whether a folder is a version of a project's model.

    This package trained such a model, even if the model's config does not say so.
    """
    return (folder / _METRICS).is_file() or (folder / _ENGINE).is_dir()
