"""Trains a model on annotated texts and scores it on the texts held out."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from huggingface_ner.engines.pretrained import tag_names
from huggingface_ner.engines.stand_in import baseline_name
from huggingface_ner.learning.calibration import IsRight, calibrate
from huggingface_ner.learning.dynamics import Dynamics
from huggingface_ner.learning.evaluation import MatchLabelsOver, evaluate_tagger
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.head import MatchLabels
from huggingface_ner.learning.held_out import HELD_OUT_SHARE, held_out_once
from huggingface_ner.learning.mistakes import Mistakes
from huggingface_ner.learning.overlaps import Groups, learnable_spans
from huggingface_ner.learning.progress import RunProgress
from huggingface_ner.learning.review import find_review, review_agreement
from huggingface_ner.learning.spool import Spool, SpooledTexts
from huggingface_ner.learning.tracking import NO_TRACKING, Tracking
from huggingface_ner.learning.unknown_tokens import UnknownTokens
from huggingface_ner.left_out import LeftOut
from huggingface_ner.scores import Evaluation
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tagger import Tagger

Report = Callable[[RunProgress], None]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a model is trained.

    held_out_share: the share of the tasks that is held out, within [0, 1); see held_out.divide.
    device: "auto", "cpu" or "cuda". tracking: where the course of the training is reported.
    """

    hyperparameters: Hyperparameters
    held_out_share: float = HELD_OUT_SHARE
    device: str = "auto"
    tracking: Tracking = NO_TRACKING


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model with its tokenizer, its training texts and the texts held out.

    scores: the model's scores on the texts held out; None if no text was held out.
    mistakes: the model's mistakes in the texts held out.
    left_out: the regions and tasks that could not be read, or that a model cannot learn or suggest.
    review: the annotations to review; see find_review.
    unknown_tokens: how many tokens of all these texts the baseline does not know.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    learned: SpooledTexts
    held_out: SpooledTexts
    scores: Evaluation | None
    left_out: LeftOut
    mistakes: Mistakes
    review: dict[str, Any]
    unknown_tokens: UnknownTokens

    @property
    def f1(self) -> float | None:
        """F1 over all spans of the texts held out; None if none was held out."""
        return self.scores.overall.f1 if self.scores else None


class Training:
    """Splits annotated texts, fine-tunes a model on one part and scores it on the other.

    labels: the entity types to learn. match_labels: see MatchLabels. baseline: Hub name or folder of the model to
    start from. match_labels_over: see MatchLabelsOver. report: called when a phase begins and after each optimiser
    step. layers: see fine_tune. left_out: the annotations that were left out when the texts were read.
    annotators: the names of annotators, by id.
    """

    def __init__(
        self,
        spool: Spool,
        labels: Sequence[str],
        match_labels: MatchLabels,
        baseline: str | Path,
        options: TrainingOptions,
        *,
        match_labels_over: MatchLabelsOver,
        report: Report,
        layers: Groups | None = None,
        left_out: LeftOut | None = None,
        annotators: Mapping[int, str] | None = None,
    ) -> None:
        self.spool = spool
        self.labels = labels
        self.layers = [labels] if layers is None else layers
        self.baseline = baseline
        self.options = options
        self.report = report
        self.left_out = LeftOut() if left_out is None else left_out
        self.annotators = annotators or {}
        self._match_labels = match_labels
        self._match_labels_over = match_labels_over

    def run(self, hold_out: Set[str] | None = None) -> TrainedModel:
        """Return the trained and scored model.

        hold_out: the tasks to hold out; if None, held_out_once chooses them.
        Raises ModelError, TrainingError and OSError.
        """
        if hold_out is None:
            hold_out = held_out_once({*self.spool.task_ids}, self.options.held_out_share)
        learned, held_out = self.spool.split(hold_out)
        left_out = LeftOut()
        left_out.merge(self.left_out)
        unknown_tokens = UnknownTokens(baseline_name(self.baseline))
        texts = self.spool.split(set())[0]
        dynamics = Dynamics(texts)
        self.report(RunProgress("training"))
        model, tokenizer = fine_tune(
            learned,
            self.labels,
            self.baseline,
            self.options.hyperparameters,
            match_labels=self._match_labels,
            layers=self.layers,
            device=self.options.device,
            progress=self._step_reporter(),
            left_out=left_out,
            unknown_tokens=unknown_tokens,
            dynamics=dynamics,
            tracking=self.options.tracking,
        )
        left_out.add_labels(self.labels, Counter(span.label for text in learned for span in text.spans))
        tag_groups = Reading.of_model(model).tag_groups(tag_names(model))
        for text in held_out:
            # called for its counts only: a region that cannot be learned cannot be suggested either
            learnable_spans(text.spans, tag_groups.labels_by_group, left_out)
        self.report(RunProgress("evaluating"))
        if held_out:
            calibrate(model, tokenizer, held_out, self._is_right(tag_groups.labels), unknown_tokens)
        mistakes = Mistakes()
        scores = self.score(tagger_of_model(model, tokenizer), held_out, mistakes) if held_out else None
        review = find_review(texts, self.layers, dynamics, self.annotators)
        return TrainedModel(
            model, tokenizer, learned, held_out, scores, left_out, mistakes, review, unknown_tokens
        )

    def score(
        self, tagger: Tagger, texts: Sequence[AnnotatedText], mistakes: Mistakes | None = None
    ) -> Evaluation:
        """Return a tagger's scores on texts of this training; its labels are matched with the labels to learn.

        mistakes: collects the tagger's mistakes.
        """
        return evaluate_tagger(tagger, texts, self._match_labels_over, compare=mistakes.add if mistakes else None)

    def review_agreement(self) -> dict[str, Any]:
        """Return the part of the review that does not depend on a model; see review.review_agreement."""
        return review_agreement(self.spool.split(set())[0], self.annotators)

    def _is_right(self, labels: Sequence[str]) -> IsRight:
        """Return a function that tells whether a span with one of a model's labels is right."""

        @cache
        def names(part: str) -> Mapping[str, str]:
            return self._match_labels_over(labels, part)

        def is_right(text: AnnotatedText, span: Span) -> bool:
            name = names(text.part).get(span.label)
            return name is not None and Span(span.start, span.end, name) in text.spans

        return is_right

    def digest(self) -> str:
        """Return a hexadecimal hash of everything that the trained model depends on."""
        parts = [
            self.spool.digest(),
            list(self.labels),
            baseline_name(self.baseline),
            asdict(self.options.hyperparameters),
            self.options.held_out_share,
            *([[*labels] for labels in self.layers] if len(self.layers) > 1 else []),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _step_reporter(self) -> Callable[[int, int, float, float], None]:
        # The time when the first step was done, and the share of the work done by then. The time before (loading,
        # tokenizing, and the first step itself, which compiles) says nothing about the other steps.
        first: list[tuple[float, float]] = []

        def report(step: int, steps: int, epoch: float, share: float) -> None:
            now = time.monotonic()
            began, done = first[0] if first else (now, share)
            first[:] = [(began, done)]
            seconds_left = round((now - began) / (share - done) * (1 - share), 1) if share > done else None
            self.report(RunProgress("training", step, steps, round(epoch, 2), seconds_left))

        return report
