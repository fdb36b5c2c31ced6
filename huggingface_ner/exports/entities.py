"""A pipeline of transformers that finds the same entities as the model in the service.

A copy of this module is part of each exported model, see pipeline_code. So it imports only modules that can be
copied too.
"""

from typing import Any

import numpy as np
import torch
from transformers import Pipeline, PreTrainedTokenizerBase

from huggingface_ner.engines.positions import window_length
from huggingface_ner.tagging.reading import CONFIG_KEY, Reading
from huggingface_ner.tagging.windows import TokenizedText, Window


class EntitiesPipeline(Pipeline):
    """Finds the entities in a text of any length.

    Returns a list of ``entity_group``, ``score``, ``word``, ``start`` and ``end``, as the pipeline
    ``token-classification`` does: ``text[start:end]`` is the word, and the score is the probability that exactly
    this entity has this label. Given a list of texts, it returns a list of such lists::

        find = pipeline("entities", model=..., trust_remote_code=True)
        find("Amina Diallo flew from Dakar to Lyon.")
    """

    # transformers declares these as None
    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = False  # type: ignore[assignment]
    _load_feature_extractor = False  # type: ignore[assignment]
    _load_tokenizer = True  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config, tokenizer = self.model.config, self.tokenizer
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise TypeError("the model has no tokenizer")
        reading = Reading.of_saved(getattr(config, CONFIG_KEY, None), str(config.name_or_path), ours=False)
        names = [str(name) for _, name in sorted((config.id2label or {}).items())]
        self._tag_groups = reading.tag_groups(names)
        self._windower = reading.windower(tokenizer, window_length(self.model))

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if kwargs:
            raise TypeError(f"{', '.join(sorted(kwargs))}: the pipeline has no such parameter")
        return {}, {}, {}

    def preprocess(self, input_: str, **_: Any) -> dict[str, Any]:
        """Tokenize a text and cut it into windows."""
        (tokenized,) = self._windower.tokenize([input_])
        return {"text": input_, "tokenized": tokenized, "windows": list(self._windower.windows(tokenized))}

    def _forward(self, input_tensors: dict[str, Any], **_: Any) -> Any:
        """Compute the log-probabilities of the text's words, [words, tags]."""
        tokenized: TokenizedText = input_tensors["tokenized"]
        words = np.zeros((len(tokenized.words), self._tag_groups.size), dtype=np.float32)
        window: Window
        for window in input_tensors["windows"]:
            ids = torch.tensor([window.input_ids], device=self.model.device)
            logits = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
            rows = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
            words[window.first_word : window.first_word + len(window.positions)] = rows[window.positions]
        return {**input_tensors, "words": words}

    def postprocess(self, model_outputs: dict[str, Any], **_: Any) -> list[dict[str, Any]]:
        """Return the entities of the most probable tags."""
        text, words = model_outputs["text"], model_outputs["tokenized"].words
        entities = []
        for span in self._tag_groups.decode(model_outputs["words"])[0]:
            start, end = words[span.start][0], words[span.end - 1][1]
            entity = {"entity_group": span.label, "score": span.score, "word": text[start:end]}
            entities.append({**entity, "start": start, "end": end})
        return entities
