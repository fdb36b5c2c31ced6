import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from huggingface_ner.engines.pretrained import load_tokenizer, packaged_encoder
from huggingface_ner.learning.dataset import label_windows
from huggingface_ner.learning.unknown_tokens import MAX_UNKNOWN_SHARE, MULTILINGUAL_ENCODERS, UnknownTokens
from huggingface_ner.spans import AnnotatedText
from huggingface_ner.tagging.tag_groups import TagGroups
from huggingface_ner.tagging.windows import Windower

# of each language: texts, and whether the packaged encoder, which is English, knows too few of their tokens
LANGUAGES = {
    "English": (
        ["Amina Diallo flew from Dakar to Lyon.", "The café paid 5 € for 3 µg of β-carotene."],
        False,
    ),
    "emoji": (["Just landed in Paris 😍🔥🔥 with Anna❤️", "lol 😂😂😂 1️⃣ 🇬🇧 London!! 🙏🏽", "☕"], False),
    "German": (["Die Straßenbahn fährt größtenteils pünktlich nach Göttingen."], False),
    "Turkish": (["Ayşe Yılmaz dün Eskişehirden İzmire gitti."], False),
    "Russian": (["Анна Каренина жила в Санкт-Петербурге."], False),
    "Arabic": (["تقع جامعة القاهرة في الجيزة."], False),
    "Korean": (["김연아 선수는 밴쿠버 올림픽에서 금메달을 땄다."], False),
    "Chinese": (["马云在杭州创办了阿里巴巴集团。", "台北市長柯文哲今天宣布新的交通政策。"], True),
    "Japanese": (["東京都知事の小池百合子は昨日、記者会見を開いた。"], True),
    "Thai": (["นายกรัฐมนตรีเดินทางไปเชียงใหม่"], True),
    "Amharic": (["አዲስ አበባ የኢትዮጵያ ዋና ከተማ ናት።"], True),
    "Khmer": (["ភ្នំពេញគឺជារាជធានីនៃប្រទេសកម្ពុជា។"], True),
}


def _count(windower: Windower, texts: list[str]) -> UnknownTokens:
    found = UnknownTokens("an encoder")
    examples = [AnnotatedText(str(number), text, ()) for number, text in enumerate(texts)]
    label_windows(examples, windower, TagGroups.bio([["PER"]]), unknown_tokens=found)
    return found


@pytest.fixture(scope="module")
def packaged() -> Windower:
    return Windower(load_tokenizer(packaged_encoder()), 256)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_packaged_encoder_does_not_know_some_languages(packaged: Windower, language: str) -> None:
    texts, is_unknown = LANGUAGES[language]
    found = _count(packaged, texts)
    assert found.tokens == sum(len(text.token_ids) for text in packaged.tokenize(texts))
    assert bool(found.warning()) == is_unknown
    if language in ("English", "emoji", "German"):
        assert found.unknown == 0
    if language == "Chinese":
        assert found.share > 0.4


def _bytes_only() -> Tokenizer:
    vocabulary = {letter: at for at, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _byte_fallback() -> Tokenizer:
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


@pytest.mark.parametrize("make", [_bytes_only, _byte_fallback])
def test_a_tokenizer_that_falls_back_to_bytes_knows_all_texts(make: Callable[[], Tokenizer]) -> None:
    texts = [text for of_language, _ in LANGUAGES.values() for text in of_language]
    # characters whose last byte is that of characters that are in no vocabulary
    found = _count(Windower(make(), 64), [*texts, "½»\U0010fffd\U0010fffb"])
    assert found.tokens > 500
    assert found.unknown == 0


def test_a_tokenizer_without_an_unknown_token_knows_all_that_it_reads() -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    found = _count(Windower(tokenizer, 64), ["a 東 b", "ab"])
    assert (found.tokens, found.unknown) == (4, 0)


def test_unknown_tokens_of_each_kind_of_tokenizer_are_counted(tiny_model: Path) -> None:
    """Byte-level BPE (RoBERTa) has none. In the others, the run of Ethiopic letters is one unknown token."""
    tokenizer = load_tokenizer(tiny_model)
    found = _count(Windower(tokenizer, 40), ["Anna flew አዲስ.", "Anna flew. 😀"])
    is_byte_level = type(tokenizer.backend_tokenizer.pre_tokenizer).__name__ == "ByteLevel"
    assert found.unknown == (0 if is_byte_level else 1)


@pytest.mark.parametrize("on_disk", [True, False])
def test_each_token_is_counted_once(tiny_bert: Path, tmp_path: Path, on_disk: bool) -> None:
    windower = Windower(load_tokenizer(tiny_bert), 8)
    examples = [AnnotatedText("1", "Anna flew አዲስ . " * 20, ())] * 3
    found = UnknownTokens("an encoder", tokens=5, unknown=2)
    folder = tmp_path if on_disk else None
    windows = label_windows(examples, windower, TagGroups.bio([["PER"]]), folder, unknown_tokens=found)
    assert len(windows) > 20, "windows overlap, so some tokens are in two of them"
    (text,) = windower.tokenize([examples[0].text])
    assert (found.tokens, found.unknown) == (5 + 3 * len(text.token_ids), 2 + 3 * 20)


def test_the_warning_names_the_share_the_encoder_and_the_setting() -> None:
    assert UnknownTokens("all-MiniLM-L6-v2", 1000, 228).warning() == (
        "23 % of the tokens in the annotated texts are unknown to the baseline all-MiniLM-L6-v2, so the model "
        "cannot tell these words apart; set BASELINE_MODEL_NAME to a model for the language of the texts, or to a "
        "multilingual one, such as FacebookAI/xlm-roberta-base or distilbert/distilbert-base-multilingual-cased"
    )
    limit = round(1000 * MAX_UNKNOWN_SHARE)
    assert UnknownTokens("x", 1000, limit).warning() == ""
    assert UnknownTokens("x", 1000, limit + 1).warning().startswith("10 % of")
    assert UnknownTokens("x").warning() == ""


@pytest.mark.parametrize("encoder", MULTILINGUAL_ENCODERS)
def test_an_encoder_is_not_recommended_instead_of_itself(encoder: str) -> None:
    assert UnknownTokens(encoder, 10, 10).warning().count(encoder) == 1


@given(st.text(st.characters(codec=None)), st.integers(0, 1000), st.integers(0, 1000))
def test_counts_survive_saving(encoder: str, known: int, unknown: int) -> None:
    counts = UnknownTokens(encoder, known + unknown, unknown)
    saved = json.dumps(counts.as_dict(), ensure_ascii=False).encode()
    assert UnknownTokens.from_dict(json.loads(saved)) == counts
    assert 0 <= counts.as_dict()["share"] <= 1


@pytest.mark.parametrize(
    "saved",
    [None, [], "x", {"tokens": "9"}, {"tokens": -4, "unknown": 3}, {"tokens": True, "unknown": -1, "encoder": []}],
)
def test_damaged_counts_warn_of_nothing(saved: object) -> None:
    assert UnknownTokens.from_dict(saved).warning() == ""


def test_a_damaged_encoder_is_not_quoted() -> None:
    saved = {"tokens": 2, "unknown": 9, "encoder": 7, "warning": "<script>"}
    assert UnknownTokens.from_dict(saved).warning().startswith("100 % of the tokens in the annotated texts ")
