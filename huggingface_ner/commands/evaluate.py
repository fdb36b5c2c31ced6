"""The command ``evaluate``: scores a model on annotated tasks."""
# ruff: noqa: PLC0415

import argparse
import json
from typing import TYPE_CHECKING

from tqdm import tqdm

from huggingface_ner.commands.inputs import read_annotated_tasks, read_config, warn_of_labels
from huggingface_ner.commands.options import Commands, add_annotated_tasks, add_command, add_config, add_model
from huggingface_ner.left_out import LeftOut
from huggingface_ner.settings import Settings

if TYPE_CHECKING:
    from huggingface_ner.scores import Evaluation


def add_evaluate(commands: Commands) -> None:
    """Add the command ``evaluate``."""
    parser = add_command(
        commands,
        evaluate,
        "Print strict precision, recall and F1, overall and for each label. A region is correct if its start, its "
        "end and its label are all correct.",
    )
    add_model(parser)
    add_config(parser)
    add_annotated_tasks(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object with precision, recall and f1; its field 'labels' has these for each label",
    )


def evaluate(options: argparse.Namespace, settings: Settings) -> None:
    """Print strict precision, recall and F1 on annotated tasks."""
    from huggingface_ner.learning.evaluation import evaluate_tagger
    from huggingface_ner.tagging.loading import load_tagger

    config = read_config(options.config)
    left_out = LeftOut()
    gold = read_annotated_tasks(options.tasks, config, settings, left_out)
    tagger = load_tagger(options.model, device=settings.device, preference=settings.engine_preference)
    warn_of_labels(tagger.labels, config)
    with tqdm(desc="evaluating", unit="text", total=len(gold), disable=None) as bar:
        scores = evaluate_tagger(tagger, gold, config.match_labels_over, bar.update)
    if options.json:
        print(json.dumps({**scores.as_dict(), "left_out": left_out.as_dict()}, ensure_ascii=False))
    else:
        print("\n".join([score_table(scores), *told(left_out)]))


def told(left_out: LeftOut) -> list[str]:
    """Return a list with one line that says what was not used; it is empty if everything was used."""
    summary = left_out.summary()
    return [summary] if summary else []


def score_table(scores: "Evaluation") -> str:
    """Return scores as a table: one line for all labels and one for each label."""
    rows = [("all", scores.overall), *scores.by_label.items()]
    width = max(len(label) for label, _ in rows)
    lines = [f"{'':{width}}  precision  recall      f1   95 % interval  gold"]
    for label, of in rows:
        interval = "{:.3f} to {:.3f}".format(*of.f1_interval)
        lines.append(
            f"{label:{width}}  {of.precision:9.3f}  {of.recall:6.3f}  {of.f1:6.3f}  {interval}  {of.gold:4}"
        )
    if scores.basis is not None:
        lines.append(f"F1 {scores.overall.f1:.3f} over {scores.basis}")
    return "\n".join(lines)
