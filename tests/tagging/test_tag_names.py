import pytest

from huggingface_ner.tagging.tag_names import read_tags

OUT, UNUSED = ("O", ""), ("-", "")
BIO = (OUT, ("B", "PER"), ("I", "PER"), ("B", "LOC"), ("I", "LOC"))


@pytest.mark.parametrize(
    "names",
    [
        ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
        ["O", "PER-B", "PER-I", "LOC-B", "LOC-I"],
        ["O", "B_PER", "I_PER", "B_LOC", "I_LOC"],
        ["O", "PER_B", "PER_I", "LOC_B", "LOC_I"],
        ["O", "B.PER", "I.PER", "B/LOC", "I/LOC"],
        ["O", "b-PER", "i-PER", "b-LOC", "i-LOC"],
        ["O", " B-PER", "I-PER ", "B-LOC", "I-LOC"],
        *(
            [outside, "B-PER", "I-PER", "B-LOC", "I-LOC"]
            for outside in ("OTHER", "other", "O-", "0", "NONE", "_", "-", "OUTSIDE", "X", "REST", "no_entity")
        ),
        ["-", "PER-B", "PER-I", "LOC-B", "LOC-I"],
    ],
)
def test_a_scheme_has_many_spellings(names: list[str]) -> None:
    assert read_tags(names) == BIO


@pytest.mark.parametrize(
    "further",
    ["[PAD]", "X", "[CLS]", "[SEP]", "<pad>", "<unk>", "</s>", "PAD", "UNK", "##", "__pad__", "[unused1]"],
)
@pytest.mark.parametrize("outside", ["O", "OTHER"])
def test_outputs_for_padding_and_word_pieces_are_unused(further: str, outside: str) -> None:
    names = [further, outside, "B-PER", "I-PER", "B-LOC", "I-LOC"]
    assert read_tags(names) == (UNUSED, *BIO)
    assert read_tags([outside, "PER-B", "PER-I", "LOC-B", "LOC-I", further]) == (*BIO, UNUSED)


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        (["O", "PER", "LOC"], (OUT, ("I", "PER"), ("I", "LOC"))),
        (["PER", "LOC", "OTHER"], (("I", "PER"), ("I", "LOC"), OUT)),
        (["NONE", "OTHER", "PER"], (OUT, ("I", "OTHER"), ("I", "PER"))),
        (["O", "OTHER", "[PAD]"], (OUT, ("I", "OTHER"), UNUSED)),
        # a letter and a hyphen are not always a prefix
        (["O", "E-MAIL", "PHONE"], (OUT, ("I", "E-MAIL"), ("I", "PHONE"))),
        (["O", "S-BAHN", "U-BAHN", "CITY"], (OUT, ("I", "S-BAHN"), ("I", "U-BAHN"), ("I", "CITY"))),
        # a label without a prefix beside labels that have one
        (["O", "B-PER", "I-PER", "DATE"], (OUT, ("B", "PER"), ("I", "PER"), ("I", "DATE"))),
        (["O", "B-PER", "I-PER", "OTHER"], (OUT, ("B", "PER"), ("I", "PER"), ("I", "OTHER"))),
        # nothing says which name is the outside tag
        (["LABEL_0", "LABEL_1"], (("I", "LABEL_0"), ("I", "LABEL_1"))),
        (["0", "1", "2"], (("I", "0"), ("I", "1"), ("I", "2"))),
        # if there is only one label, it needs no name
        (["B", "I", "O"], (("B", "ENTITY"), ("I", "ENTITY"), OUT)),
        (["O", "S-B", "S-I", "S-E"], (OUT, ("B", "S"), ("I", "S"), ("E", "S"))),
        (["O", "B-S", "I-S"], (OUT, ("B", "S"), ("I", "S"))),
        (["O", "B-I", "I-I"], (OUT, ("B", "I"), ("I", "I"))),
        (["B-O", "I-O", "B-PER", "I-PER"], (OUT, OUT, ("B", "PER"), ("I", "PER"))),
        (["U-PER", "L-PER", "I-PER", "B-PER", "O"], (("S", "PER"), ("E", "PER"), ("I", "PER"), ("B", "PER"), OUT)),
        (["B-NAME", "M-NAME", "E-NAME", "S-NAME"], tuple((prefix, "NAME") for prefix in "BIES")),
        (["O", "B-Date-of Birth", "I-Date-of Birth"], (OUT, ("B", "Date-of Birth"), ("I", "Date-of Birth"))),
    ],
)
def test_names_are_read_for_what_they_mean_together(names: list[str], tags: tuple[tuple[str, str], ...]) -> None:
    assert read_tags(names) == tags
