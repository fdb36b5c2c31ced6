from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from huggingface_ner.engines.pretrained import load_model
from huggingface_ner.learning.weight_average import WeightAverage


def _weights(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters() if parameter.requires_grad])


def _train(model: PreTrainedModel, change: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(change)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=5))
def test_a_model_gets_the_mean_of_its_trainings(tiny_bert: Path, changes: list[float]) -> None:
    model, _ = load_model(tiny_bert)
    embeddings = model.get_input_embeddings()
    embeddings.requires_grad_(False)
    frozen = embeddings.get_parameter("weight").clone()
    first = _weights(model).clone()
    average = WeightAverage(model, len(changes))
    for change in changes:
        average.restore_first()
        assert torch.equal(_weights(model), first), "each training starts from the same weights"
        _train(model, change)
        average.add()
    average.apply()
    torch.testing.assert_close(_weights(model), first + sum(changes) / len(changes), rtol=0, atol=1e-5)
    assert torch.equal(embeddings.get_parameter("weight"), frozen)


def test_a_single_training_copies_no_weights(tiny_bert: Path) -> None:
    model, _ = load_model(tiny_bert)
    average = WeightAverage(model, 1)
    average.restore_first()
    _train(model, 1.0)
    trained = _weights(model).clone()
    average.add()
    average.apply()
    assert torch.equal(_weights(model), trained), "the weights are exactly those of the training"
