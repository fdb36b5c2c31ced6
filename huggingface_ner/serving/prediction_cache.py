"""Caches recent predictions, because Label Studio requests the same task again and again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from huggingface_ner.spans import TaggedText

_Key = tuple[str, bytes]


class PredictionCache:
    """Keeps the predictions of models, by the model's version and a hash of the text; thread-safe.

    Entries do not depend on a labelling config: spans are mapped to its labels afterwards.
    max_spans: the maximum number of spans and texts together. With 0, nothing is kept. The least recently
    used texts are evicted.
    """

    def __init__(self, max_spans: int) -> None:
        self._max_spans = max_spans
        self._kept: OrderedDict[_Key, TaggedText] = OrderedDict()
        self._size = 0
        self.hits = 0  # how many texts were answered from the cache so far
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get_or_tag(
        self, version: str, texts: Sequence[str], tag: Callable[[list[str]], list[TaggedText]]
    ) -> list[TaggedText]:
        """Return each text's spans and score, in order; call ``tag`` once for all texts that are not cached."""
        if not self._max_spans:
            return tag(list(texts))
        keys = [(version, _hash(text)) for text in texts]
        found: dict[_Key, TaggedText] = {}
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
                    self.hits += 1
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            tagged = dict(zip(missing, tag(list(missing.values())), strict=True))
            found.update(tagged)
            with self._lock:
                for key, prediction in tagged.items():
                    self._keep(key, prediction)
        return [found[key] for key in keys]

    def _keep(self, key: _Key, tagged: TaggedText) -> None:
        size = 1 + len(tagged.spans)
        if key in self._kept or size > self._max_spans:
            return
        self._kept[key] = tagged
        self._size += size
        while self._size > self._max_spans:
            _, old = self._kept.popitem(last=False)
            self._size -= 1 + len(old.spans)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
