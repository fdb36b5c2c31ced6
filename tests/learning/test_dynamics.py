"""Texts are observed while a model is trained."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from huggingface_ner.engines.pretrained import load_model, load_tokenizer, tag_names
from huggingface_ner.learning import dynamics
from huggingface_ner.learning.dynamics import MOMENTS, Dynamics
from huggingface_ner.learning.fine_tuning import Hyperparameters, fine_tune
from huggingface_ner.learning.head import replace_head
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.tagging.loading import tagger_of_model
from huggingface_ner.tagging.tag_groups import TagGroups

TEXTS = [
    AnnotatedText("1", "Anna flew", (Span(0, 4, "PER"),)),
    AnnotatedText("2", "", ()),
    AnnotatedText("3", "to Lyon . ", (Span(3, 7, "LOC"),)),
]


def observed(
    texts: Sequence[AnnotatedText], baseline: Path, *groups: tuple[str, ...], times: int = 1
) -> tuple[Dynamics, list[dict[str, float]]]:
    """Observe texts with a random model; return the observations and the probability of each word."""
    torch.manual_seed(0)
    model, tokenizer = load_model(baseline)[0], load_tokenizer(baseline)
    replace_head(model, TagGroups.bio(groups or (("PER", "LOC"),)), None)
    found = Dynamics(texts)
    tagger = tagger_of_model(model, tokenizer)
    for _ in range(times):
        found.observe(tagger)
    words = [
        {
            text.text[start:end]: float(one)
            for (start, end), one in zip(of_text.words, of_text.probabilities, strict=True)
        }
        for text, of_text in found.observed()
    ]
    return found, words


def test_each_word_has_the_probability_of_what_is_annotated(tiny_bert: Path) -> None:
    found, words = observed(TEXTS, tiny_bert)
    assert [[*one] for one in words] == [["Anna", "flew"], [], ["to", "Lyon", "."]]
    torch.manual_seed(0)
    model, tokenizer = load_model(tiny_bert)[0], load_tokenizer(tiny_bert)
    replace_head(model, TagGroups.bio((("PER", "LOC"),)), None)
    (prepared,), names = list(tagger_of_model(model, tokenizer).read(["Anna flew"])), tag_names(model)
    rows = np.exp(prepared.log_probabilities)
    assert words[0] == pytest.approx({"Anna": rows[0, names.index("B-PER")], "flew": rows[1, names.index("O")]})
    assert (found.total, found.count, found.observations) == (3, 3, 1)


def test_several_observations_are_averaged(tiny_bert: Path) -> None:
    once, one = observed(TEXTS, tiny_bert)
    thrice, three = observed(TEXTS, tiny_bert, times=3)
    assert thrice.observations == 3
    for first, second in zip(one, three, strict=True):
        assert first == pytest.approx(second)
    for (_, found), (_, again) in zip(once.observed(), thrice.observed(), strict=True):
        assert dict(found.found) == pytest.approx(dict(again.found))


def test_of_several_tag_groups_the_least_likely_counts(tiny_bert: Path) -> None:
    both = AnnotatedText("1", "Anna", (Span(0, 4, "PER"), Span(0, 4, "LOC")))
    _, (words,) = observed([both], tiny_bert, ("PER",), ("LOC",))
    torch.manual_seed(0)
    model, tokenizer = load_model(tiny_bert)[0], load_tokenizer(tiny_bert)
    replace_head(model, TagGroups.bio((("PER",), ("LOC",))), None)
    (prepared,) = tagger_of_model(model, tokenizer).read(["Anna"])
    rows = np.exp(prepared.log_probabilities[0])
    assert words["Anna"] == pytest.approx(min(rows[1] / rows[:3].sum(), rows[4] / rows[3:].sum()), rel=1e-4)


def test_texts_that_would_take_too_much_memory_are_not_observed(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamics, "MAX_CHARACTERS", 12)
    monkeypatch.setattr(dynamics, "TEXTS_AT_A_TIME", 1)
    found, words = observed(TEXTS, tiny_bert, times=2)
    assert (found.total, found.count, len(words)) == (3, 2, 2)


def test_observing_does_not_change_what_is_learned(tiny_bert: Path) -> None:
    def train(watching: Dynamics | None) -> dict[str, torch.Tensor]:
        model, _ = fine_tune(
            [text for text in TEXTS if text.text],
            ["PER", "LOC"],
            tiny_bert,
            Hyperparameters(num_train_epochs=1),
            match_labels=lambda _: {},
            dynamics=watching,
        )
        return dict(model.state_dict())

    watching = Dynamics(TEXTS)
    with_it, without = train(watching), train(None)
    assert watching.observations == len(MOMENTS)
    assert all(torch.equal(with_it[name], without[name]) for name in without)
    words = [probability for _, one in watching.observed() for probability in one.probabilities]
    assert all(0 < probability <= 1 for probability in words)
