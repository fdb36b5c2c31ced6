import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, PreTrainedModel, Trainer

from huggingface_ner.engines.errors import ModelError
from huggingface_ner.engines.gpu_memory import GpuMemoryError
from huggingface_ner.engines.pretrained import load_model, load_tokenizer, tag_names
from huggingface_ner.jobs.train import hyperparameters
from huggingface_ner.learning import fine_tuning
from huggingface_ner.learning.calibration import prior_calibration
from huggingface_ner.learning.dynamics import MOMENTS, Dynamics
from huggingface_ner.learning.fine_tuning import Hyperparameters, TrainingError, encoder_rate_cap, fine_tune
from huggingface_ner.learning.head import replace_head
from huggingface_ner.learning.tag_trainer import TagTrainer
from huggingface_ner.left_out import LeftOut
from huggingface_ner.scores import evaluate
from huggingface_ner.settings import Settings
from huggingface_ner.spans import AnnotatedText, Span
from huggingface_ner.store.model_folder import check_can_save, save_model
from huggingface_ner.tagging.loading import load_tagger, tagger_of_model
from huggingface_ner.tagging.reading import Reading
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.transitions import count_weights
from tests.tiny_models import save_tiny_model

NAMES = ["Anna", "Kovács", "Zürich", "Paulo"]
EXAMPLES = [
    AnnotatedText(str(n), f"{name} flew .", (Span(0, len(name), "PER" if n % 2 else "LOC"),))
    for n, name in enumerate(NAMES * 6)
]


def _same(labels: Sequence[str]) -> dict[str, str]:
    return {label: label for label in labels}


def _head(model: PreTrainedModel) -> torch.Tensor:
    return model.get_submodule("classifier").get_parameter("weight").detach()


def _weights(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _learn_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a model without pre-training learn faster and longer, because it has no knowledge to forget."""
    monkeypatch.setattr(fine_tuning, "SMALL_ENCODER_RATE", 1e-2)
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", fine_tuning.ENOUGH_STEPS)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "MIN_STEPS", 60)


def _fine_tuned(baseline: Path, texts: Sequence[AnnotatedText] = EXAMPLES, **more: Any) -> tuple[Any, Any]:
    """Learn PER and LOC, and use no labels of the baseline; return the model and its tokenizer."""
    hyperparameters = Hyperparameters(learning_rate=2e-2, num_train_epochs=1)
    return fine_tune(
        texts, ["PER", "LOC"], baseline, hyperparameters, match_labels=lambda labels: {}, device="cpu", **more
    )


def test_a_model_learns_its_examples(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _learn_from_nothing(monkeypatch)
    seen: list[tuple[int, int, float]] = []
    model, tokenizer = _fine_tuned(
        tiny_model, progress=lambda step, steps, epoch, share: seen.append((step, steps, share))
    )
    tagger = tagger_of_model(model, tokenizer)
    scores = evaluate([text.spans for text in EXAMPLES], tagger.find_spans([text.text for text in EXAMPLES]))
    assert scores.overall.f1 > 0.9
    steps = fine_tuning.MIN_STEPS
    assert [place[:2] for place in seen] == [(step, steps) for step in range(1, steps + 1)]
    shares = [share for _, _, share in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.05
    assert shares[-1] == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_baseline_in_half_precision_is_trained_in_float32(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _learn_from_nothing(monkeypatch)
    folder = save_tiny_model(tmp_path, "bert")
    AutoModelForTokenClassification.from_pretrained(folder).to(dtype).save_pretrained(folder)
    model, tokenizer = _fine_tuned(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    found = tagger_of_model(model, tokenizer).find_spans([text.text for text in EXAMPLES])
    assert evaluate([text.spans for text in EXAMPLES], found).overall.f1 > 0.9


def test_a_model_learns_parts_of_words(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _learn_from_nothing(monkeypatch)
    left_out = LeftOut()
    examples = [
        AnnotatedText(example.task_id, example.text.replace(" ", suffix, 1), example.spans)
        for example, suffix in zip(EXAMPLES, [" ", "da ", "dan "] * 8, strict=True)
    ]
    model, tokenizer = _fine_tuned(tiny_model, examples, left_out=left_out)
    assert not left_out.regions
    save_model(model, tokenizer, tmp_path / "model")
    found = load_tagger(tmp_path / "model", device="cpu").find_spans([text.text for text in examples])
    assert evaluate([text.spans for text in examples], found).overall.f1 > 0.9


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("layers", [[["PER", "LOC"]], [["PER"], ["LOC"]]])
def test_transitions_of_each_group_are_counted_and_saved(
    layers: list[list[str]], tiny_bert: Path, tmp_path: Path
) -> None:
    texts = [
        AnnotatedText("1", "Anna Kovács flew to Zürich .", (Span(0, 11, "PER"), Span(20, 26, "LOC"))),
        AnnotatedText("2", "flew .", ()),
    ]
    trained = fine_tune(
        texts, ["PER", "LOC"], tiny_bert, Hyperparameters(), match_labels=_same, layers=layers, device="cpu"
    )
    tags = {1: ["BIOOBO"], 2: ["BIOOOO", "OOOOBO"]}[len(layers)]
    transitions = tuple(count_weights([of_text, "OO"]) for of_text in tags)
    save_model(*trained, tmp_path / "model")
    for model in (trained[0], load_model(tmp_path / "model")[0]):
        reading = Reading.of_model(model)
        assert reading.transitions == transitions
        calibrations = (prior_calibration(2),) * len(layers)
        assert reading.tag_groups(tag_names(model)) == TagGroups.bio(layers, transitions, calibrations)


@pytest.mark.usefixtures("few_steps")
def test_a_seed_repeats_a_training(tiny_bert: Path) -> None:
    def weights(seed: int) -> torch.Tensor:
        model, _ = fine_tune(
            EXAMPLES, ["PER"], tiny_bert, Hyperparameters(seed=seed), match_labels=_same, device="cpu"
        )
        return _weights(model)

    first = weights(1)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


@pytest.mark.usefixtures("few_steps")
def test_a_repeated_training_is_the_mean_of_its_repetitions(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[torch.Tensor] = []
    train = TagTrainer.train

    def watched(trainer: TagTrainer) -> Any:
        output = train(trainer)
        trained.append(_weights(cast("PreTrainedModel", trainer.model)))
        return output

    monkeypatch.setattr(TagTrainer, "train", watched)
    seen: list[tuple[int, int, float, float]] = []

    def weights(repetitions: int) -> torch.Tensor:
        hyperparameters = Hyperparameters(repetitions=repetitions)
        model, _ = fine_tune(
            *(EXAMPLES, ["PER"], tiny_bert, hyperparameters),
            match_labels=_same,
            device="cpu",
            progress=lambda *place: seen.append(place),
        )
        return _weights(model)

    once = weights(1)
    seen.clear()
    thrice = weights(3)
    assert torch.equal(trained[0], once)
    assert torch.equal(trained[1], once), "the first repetition is the training that would be done once"
    assert not torch.equal(trained[2], trained[1]), "a repetition sees the texts in another order"
    torch.testing.assert_close(thrice, torch.stack(trained[1:]).mean(0))
    steps, epochs, shares = (
        [place[0] for place in seen],
        [place[2] for place in seen],
        [place[3] for place in seen],
    )
    assert steps == list(range(1, 3 * fine_tuning.MIN_STEPS + 1))
    assert {place[1] for place in seen} == {steps[-1]}
    assert epochs == sorted(epochs)
    assert epochs[-1] == pytest.approx(3 * epochs[fine_tuning.MIN_STEPS - 1])
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_trainings_of_small_encoders_on_enough_texts_are_repeated() -> None:
    small, base = fine_tuning.SMALL_ENCODER, fine_tuning.BASE_ENCODER
    enough = fine_tuning.ENOUGH_STEPS
    assert [fine_tuning.plan_repetitions(size, 200, enough) for size in (128, small, small + 1, base)] == [
        2,
        2,
        1,
        1,
    ]
    assert [fine_tuning.plan_repetitions(small, texts, 150) for texts in (1, 39, 40, 200)] == [1, 1, 2, 2]
    assert fine_tuning.plan_repetitions(small, 400, enough + 1) == 1


def test_the_settings_reach_the_hyperparameters() -> None:
    settings = Settings(learning_rate=0.5, num_train_epochs=2, weight_decay=0.25, training_repetitions=3)
    assert hyperparameters(settings, 7) == Hyperparameters(0.5, 2, 0.25, 7, 3)
    assert hyperparameters(Settings()) == Hyperparameters()


@pytest.mark.usefixtures("few_steps")
def test_only_the_first_repetition_is_observed(tiny_bert: Path) -> None:
    dynamics = Dynamics(EXAMPLES)
    fine_tune(
        *(EXAMPLES, ["PER"], tiny_bert, Hyperparameters(repetitions=2)),
        match_labels=_same,
        device="cpu",
        dynamics=dynamics,
    )
    assert dynamics.observations == len(MOMENTS)


@pytest.mark.usefixtures("few_steps")
def test_a_training_that_diverges_ends_at_once(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def diverge(trainer: TagTrainer) -> None:
        trained.append(trainer)
        with torch.no_grad():
            _head(cast("PreTrainedModel", trainer.model)).fill_(math.nan)

    monkeypatch.setattr(TagTrainer, "train", diverge)
    with pytest.raises(TrainingError, match=r"diverged; set a lower LEARNING_RATE than 0\.001"):
        fine_tune(EXAMPLES, ["PER"], tiny_bert, Hyperparameters(repetitions=3), match_labels=_same, device="cpu")
    assert len(trained) == 1


def test_rows_of_the_head_are_copied_where_labels_agree(tmp_path: Path) -> None:
    model, _ = load_model(save_tiny_model(tmp_path, "bert", ("O", "B-PERSON", "I-PERSON", "B-LOC", "I-LOC")))
    old = _head(model).clone()
    groups = TagGroups.bio([["ORG", "PER", "LOC"]])
    assert replace_head(model, groups, lambda labels: {"PERSON": "PER", "LOC": "LOC"}) == "classifier"
    new = _head(model)
    assert new.shape == (7, 32)
    rows = {name: row for row, name in enumerate(groups.names)}
    for name, source in (("O", 0), ("B-PER", 1), ("I-PER", 2), ("B-LOC", 3), ("I-LOC", 4)):
        assert torch.equal(new[rows[name]], old[source])
    assert not (new[rows["B-ORG"]] == old[:, None]).all(-1).any()
    assert model.config.id2label == dict(enumerate(groups.names))


def test_a_bioes_head_gives_its_rows_to_a_bio_one(tmp_path: Path) -> None:
    model, _ = load_model(save_tiny_model(tmp_path, "bert", ("O", "B-PER", "I-PER", "E-PER", "S-PER")))
    old = _head(model).clone()
    replace_head(model, TagGroups.bio([["PER"]]), _same)
    assert torch.equal(_head(model), old[:3])


def test_small_encoders_get_a_larger_rate() -> None:
    rates = [encoder_rate_cap(size, fine_tuning.ENOUGH_STEPS) for size in (128, 384, 512, 768, 1024)]
    assert rates == sorted(rates, reverse=True)
    assert [rates[1], rates[3]] == pytest.approx([1e-4, 5e-5])


def test_short_trainings_get_a_larger_rate() -> None:
    rates = [encoder_rate_cap(384, steps) for steps in (1, 150, 250, 375, 10_000)]
    assert rates == pytest.approx([2e-4, 2e-4, 1.5e-4, 1e-4, 1e-4])


@given(st.integers(1, 10_000), st.integers(1, 512), st.floats(0.1, 100))
@example(625, 1, 1.0)  # 375 / 79 * 79 is more than 375 in floating point
def test_a_training_takes_time_by_its_texts(windows: int, length: int, epochs: float) -> None:
    per_batch, steps = fine_tuning.plan_steps(windows, windows * length, epochs)
    assert 1 <= per_batch <= fine_tuning.WINDOWS_PER_BATCH
    assert per_batch == 1 or per_batch * length <= 1.5 * fine_tuning.TOKENS_PER_BATCH, (
        "a batch does not have many long texts"
    )
    steps_per_epoch = math.ceil(windows / per_batch)
    assert steps >= max(fine_tuning.MIN_STEPS, epochs * steps_per_epoch), "there are at least the requested passes"
    fewest = max(epochs * steps_per_epoch, fine_tuning.MIN_STEPS)
    enough = min(fine_tuning.MIN_PASSES * steps_per_epoch, fine_tuning.ENOUGH_STEPS)
    assert steps <= max(fewest, enough) + 1
    more, steps_for_more = fine_tuning.plan_steps(2 * windows, 2 * windows * length, epochs)
    assert (more, steps_for_more) >= (per_batch, steps)


def test_ten_texts_are_learned_in_as_many_steps_whether_short_or_long() -> None:
    assert fine_tuning.plan_steps(10, 10 * 25, 10) == (8, 150)
    assert fine_tuning.plan_steps(10, 10 * 330, 10) == (1, 150)
    assert fine_tuning.plan_steps(200, 200 * 25, 10) == (8, 375)


@pytest.mark.usefixtures("few_steps")
def test_a_low_learning_rate_is_everybodys(tiny_bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fine_tune(EXAMPLES, ["PER"], tiny_bert, Hyperparameters(2e-5), match_labels=_same, device="cpu")
    assert "learning rate 2e-05, encoder 2e-05" in caplog.text


@pytest.mark.usefixtures("few_steps")
def test_a_training_that_cannot_work_says_why(tiny_bert: Path) -> None:
    with pytest.raises(TrainingError, match="words in it"):
        fine_tune([AnnotatedText("1", " \n", ())], ["PER"], tiny_bert, Hyperparameters(), match_labels=_same)
    with pytest.raises(ModelError, match="no such model folder"):
        fine_tune(EXAMPLES, ["PER"], tiny_bert / "gone", Hyperparameters(), match_labels=_same)


def test_a_training_that_does_not_fit_into_the_gpu_says_so(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Trainer, "train", fail)
    with pytest.raises(GpuMemoryError, match=r"to train .*set DEVICE=cpu") as raised:
        fine_tune(EXAMPLES, ["PER", "LOC"], tiny_bert, Hyperparameters(), match_labels=_same)
    assert raised.value.retryable, "the memory may be free later"


def test_saving_replaces_a_model_and_nothing_else(tiny_bert: Path, tmp_path: Path) -> None:
    tagger_parts = load_model(tiny_bert)[0], load_tokenizer(tiny_bert)
    out = tmp_path / "new" / "model"
    save_model(*tagger_parts, out)
    save_model(*tagger_parts, out)
    assert load_tagger(out, device="cpu").labels == ("PER", "LOC")
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="is not a model"):
        check_can_save(tmp_path)


def test_a_save_that_fails_leaves_the_old_model(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_model(tiny_bert)[0], load_tokenizer(tiny_bert)
    save_model(model, tokenizer, tmp_path / "model")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tokenizer, "save_pretrained", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(model, tokenizer, tmp_path / "model")
    assert load_tagger(tmp_path / "model", device="cpu").labels == ("PER", "LOC")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
