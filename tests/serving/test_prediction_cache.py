from huggingface_ner.serving.prediction_cache import PredictionCache
from huggingface_ner.spans import Span, TaggedText


class Counting:
    def __init__(self, spans: int = 1) -> None:
        self.asked: list[str] = []
        self._spans = spans

    def __call__(self, texts: list[str]) -> list[TaggedText]:
        self.asked += texts
        return [TaggedText([Span(n, n + 1, text) for n in range(self._spans)], 0.5) for text in texts]


def test_a_text_is_tagged_once_for_each_version() -> None:
    cache, tag = PredictionCache(100), Counting()
    first = cache.get_or_tag("v1", ["a", "b", "a"], tag)
    assert [tagged.spans[0].label for tagged in first] == ["a", "b", "a"]
    assert tag.asked == ["a", "b"]
    assert cache.get_or_tag("v1", ["b", "c"], tag) == [first[1], *cache.get_or_tag("v1", ["c"], tag)]
    assert tag.asked == ["a", "b", "c"]
    cache.get_or_tag("v2", ["a"], tag)
    assert tag.asked == ["a", "b", "c", "a"]


def test_it_keeps_so_many_spans_of_those_asked_for_last() -> None:
    cache, tag = PredictionCache(4), Counting(spans=1)
    cache.get_or_tag("v", ["a", "b"], tag)
    cache.get_or_tag("v", ["a"], tag)
    cache.get_or_tag("v", ["c"], tag)
    assert len(cache) == 2
    cache.get_or_tag("v", ["a", "c"], tag)
    assert tag.asked == ["a", "b", "c"]
    cache.get_or_tag("v", ["b"], tag)
    assert tag.asked == ["a", "b", "c", "b"]
    cache.get_or_tag("v", [str(number) for number in range(100)], tag)
    assert len(cache) == 2


def test_what_is_larger_than_all_room_is_not_kept() -> None:
    cache = PredictionCache(4)
    cache.get_or_tag("v", ["a"], Counting(spans=4))
    assert len(cache) == 0


def test_it_can_be_off() -> None:
    cache, tag = PredictionCache(0), Counting()
    cache.get_or_tag("v", ["a", "a"], tag)
    cache.get_or_tag("v", ["a"], tag)
    assert tag.asked == ["a", "a", "a"]


def test_any_string_is_a_key() -> None:
    cache, tag = PredictionCache(100), Counting()
    texts = ["\ud83d", "", "\x00", "é", "e\u0301"]
    cache.get_or_tag("v", texts, tag)
    cache.get_or_tag("v", texts, tag)
    assert tag.asked == texts
