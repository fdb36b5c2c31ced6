"""The texts of examples/news and their gold regions."""

import json
from collections.abc import Mapping
from typing import Any

from demo import ROOT
from huggingface_ner.label_studio.documents import open_document
from huggingface_ner.label_studio.gold import usable_annotations
from huggingface_ner.label_studio.labeling_config import parse_labeling_config
from huggingface_ner.label_studio.regions import read_spans
from huggingface_ner.scores import Scores, evaluate
from huggingface_ner.spans import Span, drop_overlaps

NEWS = ROOT / "examples" / "news"
CONFIG = (NEWS / "labeling_config.xml").read_text(encoding="utf-8")

# Regions, as Label Studio has them in an annotation's or a prediction's ``result``.
Regions = list[dict[str, Any]]


def read_news() -> dict[str, Regions]:
    """Return the gold regions of each text from which a training would learn."""
    tasks = json.loads((NEWS / "annotated_tasks.json").read_text(encoding="utf-8"))
    return {
        task["data"]["text"]: _followed(annotations) for task in tasks if (annotations := usable_annotations(task))
    }


def _followed(annotations: list[Mapping[str, Any]]) -> Regions:
    """Return the regions of the ground truth or, if there is none, of the newest annotation.

    This is enough here, because one annotator made all annotations.
    """
    return next((one["result"] for one in annotations if one["ground_truth"]), annotations[-1]["result"])


def score(gold: Mapping[str, Regions], predicted: Mapping[str, Regions]) -> Scores:
    """Score predicted regions against gold regions, strictly, over all spans.

    predicted: the regions of some of the texts of ``gold``. Only these texts are scored.
    """
    wanted = [drop_overlaps(_spans(text, gold[text])) for text in predicted]
    return evaluate(wanted, [_spans(text, regions) for text, regions in predicted.items()]).overall


def _spans(text: str, regions: Regions) -> list[Span]:
    config = parse_labeling_config(CONFIG)
    (text_object,) = config.objects
    return read_spans(regions, config.controls_for(text_object), open_document(text_object, text))
