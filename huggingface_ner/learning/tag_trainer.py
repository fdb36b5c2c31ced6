"""Trainer with a learning rate for the head and one for the encoder, and with a loss for each tag group."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from huggingface_ner.learning.batches import CountingCollator
from huggingface_ner.learning.dataset import IGNORED
from huggingface_ner.tagging.tag_groups import TagGroups

# Called with the steps done, the total number of steps, the epochs done, which may be fractional, and the share of
# the work that is done, within (0, 1].
Progress = Callable[[int, int, float, float], object]


class TagTrainer(Trainer):
    """Trains the head and the encoder with different learning rates, and adds up the losses of the tag groups.

    head_name: the name of the model's head, which has the arguments' learning rate.
    """

    def __init__(self, *, encoder_rate: float, tag_groups: TagGroups, head_name: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.remove_callback(PrinterCallback)
        self._encoder_rate = encoder_rate
        self._tag_groups = tag_groups
        self._head_name = head_name

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return the sum of the tag groups' cross-entropies."""
        if len(self._tag_groups.schemes) == 1:
            return super().compute_loss(model, inputs, *args, **kwargs)
        labels = inputs.pop("labels")  # [windows, tokens, groups]
        logits = model(**inputs).logits.float()
        losses = [
            nn.functional.cross_entropy(
                logits[..., columns].flatten(0, 1), labels[..., group].flatten(), ignore_index=IGNORED
            )
            for group, columns in enumerate(self._tag_groups.columns)
        ]
        return torch.stack(losses).sum()

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return AdamW with a learning rate for the head and one for the encoder."""
        trained: Any = self.model
        decayed = set(self.get_decay_parameter_names(trained))
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in trained.named_parameters():
            if parameter.requires_grad:
                rate = self.args.learning_rate if name.startswith(f"{self._head_name}.") else self._encoder_rate
                decay = self.args.weight_decay if name in decayed else 0.0
                groups.setdefault((rate, decay), []).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {"params": parameters, "lr": rate, "weight_decay": decay}
                for (rate, decay), parameters in groups.items()
            ],
            fused=True,
        )
        self.optimizer = optimizer
        return optimizer


class ProgressCallback(TrainerCallback):
    """Reports steps, and the share of the work that is done, over all repetitions of a training.

    Trainer begins with the longest windows, so after a tenth of the steps, much more than a tenth of the work may
    be done already. steps: the number of steps of all repetitions. mean_tokens: the tokens of a batch, on average.
    """

    def __init__(self, progress: Progress, batches: CountingCollator, steps: int, mean_tokens: float) -> None:
        self._progress = progress
        self._batches = batches
        self._steps = steps
        self._mean_tokens = mean_tokens
        self._steps_before = 0
        self._epochs_before = 0.0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report a step."""
        step = self._steps_before + state.global_step
        left = (self._steps - step) * self._mean_tokens
        share = self._batches.tokens / (self._batches.tokens + left)
        self._progress(step, self._steps, self._epochs_before + (state.epoch or 0.0), share)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count the repetition that has ended."""
        self._steps_before += state.global_step
        self._epochs_before += state.epoch or 0.0
