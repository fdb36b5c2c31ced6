"""Fine-tunes a baseline on annotated texts, with a new head for the labelling config's labels."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from huggingface_ner.engines.gpu_memory import gpu_memory_for
from huggingface_ner.engines.hardware import has_fast_bf16, resolve_device
from huggingface_ner.engines.positions import window_length
from huggingface_ner.engines.pretrained import head_is_missing, load_model, load_tokenizer
from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.learning.affixes import learn_inner_borders
from huggingface_ner.learning.augmentation import MentionReplacement
from huggingface_ner.learning.batches import CountingCollator, padding_collator
from huggingface_ner.learning.calibration import prior_calibration
from huggingface_ner.learning.dataset import label_windows, word_prefixes
from huggingface_ner.learning.dynamics import Dynamics, DynamicsCallback
from huggingface_ner.learning.head import MatchLabels, opens_inside, replace_head, update_reading
from huggingface_ner.learning.overlaps import Groups, plan_groups
from huggingface_ner.learning.tag_trainer import Progress, ProgressCallback, TagTrainer
from huggingface_ner.learning.tracking import NO_TRACKING, Tracking
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.learning.weight_average import WeightAverage
from huggingface_ner.left_out import LeftOut
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.transitions import count_weights
from huggingface_ner.tagging.windows import Windower
from huggingface_ner.temporary_folders import temporary_folder

# These values were chosen by measuring; see bench/README.md. A batch has about TOKENS_PER_BATCH tokens on average,
# but at most WINDOWS_PER_BATCH windows. A training has at least MIN_STEPS steps. It also has at least MIN_PASSES
# passes over the windows, unless these need more than ENOUGH_STEPS steps. With fewer than ENOUGH_STEPS steps, the
# encoder's maximum learning rate is multiplied by ENOUGH_STEPS / steps, but at most by MAX_RATE_FACTOR.
WINDOWS_PER_BATCH = 8
TOKENS_PER_BATCH = 256
MIN_STEPS = 150
MIN_PASSES = 15
ENOUGH_STEPS = 375
MAX_RATE_FACTOR = 2.0
WARMUP_SHARE = 0.1
REPLACED_SHARE = 0.5
# Maximum learning rates for encoders of two hidden sizes. For sizes between them, the maximum falls with the
# logarithm of the size.
SMALL_ENCODER, SMALL_ENCODER_RATE = 384, 1e-4
BASE_ENCODER, BASE_ENCODER_RATE = 768, 5e-5
# How many times the training of a small encoder is done, from this number of texts on, and if each time takes at
# most ENOUGH_STEPS steps. With fewer texts, it matters more that suggestions come soon. With larger encoders or
# more steps, each time takes minutes.
AUTO_REPETITIONS = 2
REPEATED_FROM = 40
# The difference between the seeds of two repetitions, so that a repetition is not the first one of another seed.
SEEDS_APART = 1_000

logger = logging.getLogger(__name__)


class TrainingError(HuggingFaceNERError):
    """The tasks or settings cannot be used for training; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The sizes of a training; steps: the optimiser steps of each repetition."""

    windows_per_batch: int
    steps: int
    repetitions: int
    learning_rate: float
    encoder_rate: float

    def __str__(self) -> str:
        steps = f"{self.repetitions} times {self.steps}" if self.repetitions > 1 else str(self.steps)
        return (
            f"{steps} steps of up to {self.windows_per_batch} windows, learning rate {self.learning_rate:g}, "
            f"encoder {self.encoder_rate:g}"
        )


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The hyperparameters of a training.

    learning_rate: the rate of the new head; the encoder's rate is the same, but at most ``encoder_rate_cap``.
    num_train_epochs: the minimum number of passes over the windows; few windows get more passes, see plan_steps.
    repetitions: how many times the training is done, each time from the same first weights with another order of
    the texts; the model gets the mean of the weights. "auto": see plan_repetitions.
    """

    learning_rate: float = 1e-3
    num_train_epochs: float = 10.0
    weight_decay: float = 0.01
    seed: int = 0
    repetitions: int | Literal["auto"] = "auto"


def fine_tune(
    examples: Sequence[AnnotatedText],
    labels: Sequence[str],
    baseline: str | Path,
    hyperparameters: Hyperparameters,
    *,
    match_labels: MatchLabels,
    layers: Groups | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    left_out: LeftOut | None = None,
    unknown_tokens: UnknownTokens | None = None,
    dynamics: Dynamics | None = None,
    tracking: Tracking = NO_TRACKING,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model with a BIO head for ``labels``, trained on the examples, and its tokenizer.

    layers: the labels of each layer; spans of different layers may overlap. If None, all labels are one layer. The
    head has a tag group for each layer, and further ones if spans of one layer overlap; see plan_groups.
    left_out: counts the spans that cannot be learned; see label_windows. tracking: where the course is reported.
    unknown_tokens: counts the tokens of the examples. dynamics: observes the model while it is trained.
    match_labels: a label with a counterpart in the baseline starts with a copy of the counterpart's rows in the
    baseline's head.
    Raises ModelError if the baseline cannot be used, TrainingError if the examples have no words or the training
    diverges, and GpuMemoryError.
    """
    tokenizer = load_tokenizer(baseline)

    set_seed(hyperparameters.seed)
    model, missing = load_model(baseline)
    tag_groups = TagGroups.bio(plan_groups(examples, [labels] if layers is None else layers))
    if head_is_missing(model, missing):
        head_name = replace_head(model, tag_groups, None)
    else:
        inside = opens_inside(model, tokenizer, (example.text for example in examples))
        head_name = replace_head(model, tag_groups, match_labels, opens_inside=inside)
    with gpu_memory_for("load the baseline"):
        nn.Module.to(model, torch.device(resolve_device(device)))
    if model.device.type == "cpu":
        # without a GPU, the fused attention kernel with dropout takes a third longer
        model.set_attn_implementation("eager")
    # word embeddings stay as pre-trained: a few hundred texts cannot improve them
    model.get_input_embeddings().requires_grad_(False)
    max_length = window_length(model)
    windower = Windower(tokenizer, max_length)
    inner_borders = learn_inner_borders(examples, labels, windower)
    if inner_borders is not None:
        update_reading(model, inner_borders=inner_borders)
        windower = Reading.of_model(model).windower(tokenizer, max_length)
    # the windows are stored in the folder; Trainer also needs a folder, although it saves nothing there
    with temporary_folder("huggingface-ner-windows-") as folder, tracking.environment():
        windows = label_windows(examples, windower, tag_groups, folder, left_out, unknown_tokens=unknown_tokens)
        if not len(windows):
            raise TrainingError("nothing to train on: none of the annotated tasks has a text with words in it")
        groups = range(len(tag_groups.schemes))
        transitions = tuple(count_weights(word_prefixes(windows, tag_groups, group)) for group in groups)
        calibrations = (prior_calibration(sum(len(example.spans) for example in examples)),) * len(groups)
        update_reading(model, transitions=transitions, calibrations=calibrations)
        augment = MentionReplacement(
            windows, tag_groups, share=REPLACED_SHARE, max_length=max_length, seed=hyperparameters.seed
        )
        pad = CountingCollator(padding_collator(tokenizer, tag_groups), augment)
        tokens = sum(windows["length"])
        plan = _plan(len(windows), tokens, len(examples), model.config.hidden_size, hyperparameters)
        logger.info("training on %d windows of %d texts: %s", len(windows), len(examples), plan)
        callbacks: list[TrainerCallback] = []
        if progress is not None:
            mean_tokens = tokens * plan.windows_per_batch / len(windows)
            callbacks.append(ProgressCallback(progress, pad, plan.repetitions * plan.steps, mean_tokens))
        observers = [] if dynamics is None else [DynamicsCallback(dynamics, tokenizer)]
        average = WeightAverage(model, plan.repetitions)
        for repetition in range(plan.repetitions):
            average.restore_first()
            trainer = TagTrainer(
                model=model,
                args=TrainingArguments(
                    output_dir=str(folder),
                    per_device_train_batch_size=plan.windows_per_batch,
                    max_steps=plan.steps,
                    learning_rate=hyperparameters.learning_rate,
                    weight_decay=hyperparameters.weight_decay,
                    lr_scheduler_type="linear",
                    warmup_steps=WARMUP_SHARE,
                    seed=hyperparameters.seed + SEEDS_APART * repetition,
                    train_sampling_strategy="group_by_length",
                    bf16=has_fast_bf16(model.device.type),
                    use_cpu=model.device.type == "cpu",
                    dataloader_pin_memory=model.device.type != "cpu",
                    save_strategy="no",
                    disable_tqdm=True,
                    # the first repetition is reported and observed; the others are alike
                    **(NO_TRACKING if repetition else tracking).arguments(plan.steps),
                ),
                train_dataset=windows,
                data_collator=pad,
                callbacks=callbacks if repetition else [*callbacks, *observers],
                encoder_rate=plan.encoder_rate,
                tag_groups=tag_groups,
                head_name=head_name,
            )
            with gpu_memory_for("train"):
                trainer.train()
            del trainer  # with the memory of its optimiser
            if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
                raise TrainingError(
                    f"the training diverged; set a lower LEARNING_RATE than {hyperparameters.learning_rate:g}"
                )
            average.add()
        average.apply()
    return model, tokenizer


def _plan(windows: int, tokens: int, texts: int, hidden_size: int, hyperparameters: Hyperparameters) -> _Plan:
    windows_per_batch, steps = plan_steps(windows, tokens, hyperparameters.num_train_epochs)
    repetitions = hyperparameters.repetitions
    return _Plan(
        windows_per_batch,
        steps,
        plan_repetitions(hidden_size, texts, steps) if repetitions == "auto" else repetitions,
        hyperparameters.learning_rate,
        min(hyperparameters.learning_rate, encoder_rate_cap(hidden_size, steps)),
    )


def plan_steps(windows: int, tokens: int, epochs: float) -> tuple[int, int]:
    """Return the maximum number of windows in a batch, and the number of steps of a training.

    windows, tokens: the numbers of windows and tokens of all training texts. epochs: the minimum number of passes
    over the windows.
    """
    windows_per_batch = min(max(round(TOKENS_PER_BATCH * windows / tokens), 1), WINDOWS_PER_BATCH)
    steps_per_epoch = math.ceil(windows / windows_per_batch)
    requested = math.ceil(epochs * steps_per_epoch)
    return windows_per_batch, max(requested, min(MIN_PASSES * steps_per_epoch, ENOUGH_STEPS), MIN_STEPS)


def plan_repetitions(hidden_size: int, texts: int, steps: int) -> int:
    """Return how many times a training with this number of texts and steps is done if the settings say "auto"."""
    is_short = hidden_size <= SMALL_ENCODER and steps <= ENOUGH_STEPS
    return AUTO_REPETITIONS if is_short and texts >= REPEATED_FROM else 1


def encoder_rate_cap(hidden_size: int, steps: int) -> float:
    """Return the maximum learning rate for an encoder of this hidden size in a training with this many steps."""
    share = math.log(hidden_size / SMALL_ENCODER) / math.log(BASE_ENCODER / SMALL_ENCODER)
    share = min(max(share, 0.0), 1.0)
    factor = min(max(ENOUGH_STEPS / steps, 1.0), MAX_RATE_FACTOR)
    return float(factor * SMALL_ENCODER_RATE ** (1 - share) * BASE_ENCODER_RATE**share)
