from pathlib import Path

import pytest

from huggingface_ner.mentions import gazetteer
from huggingface_ner.mentions.gazetteer import GazetteerError, read_gazetteer


def test_a_line_is_a_text_and_a_label(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_bytes("\ufeffNew York\tLOC\r\n\r\n Zürich \t LOC \nParis\tLOC\nParis\tPER\nParis\tLOC".encode())
    read = read_gazetteer(path)
    assert read.labels == {"New York": ("LOC",), "Zürich": ("LOC",), "Paris": ("LOC", "PER")}
    assert list(read.finder.find("To New York, to Paris")) == [(3, 11), (16, 21)]
    assert read_gazetteer(path) is read, "a process reads a file only once"


def test_without_a_file_nothing_is_listed() -> None:
    assert (read_gazetteer(None).labels, list(read_gazetteer(None).finder.find("Paris"))) == ({}, [])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"Paris LOC\n", r"line 1 \('Paris LOC'\) is not a text, a tab and a label"),
        (b"Paris\tLOC\nOslo\t\n", "line 2"),
        (b"\tLOC\n", "line 1"),
        (b"a\tb\tc\n", "line 1"),
        (b"a" * 1_001 + b"\tX", "longer than 1000 characters"),
        (b"\xff\tX", "not valid UTF-8"),
        (b"Paris\tLOC\n" * 10, "more than 50 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, said: str
) -> None:
    monkeypatch.setattr(gazetteer, "MAX_BYTES", 50 if b"Paris\tLOC\nParis" in written else 5_000)
    path = tmp_path / "names.tsv"
    path.write_bytes(written)
    with pytest.raises(GazetteerError, match=f"GAZETTEER={path}.*{said}"):
        read_gazetteer(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GazetteerError, match=f"GAZETTEER={tmp_path}/no: the file cannot be read"):
        read_gazetteer(tmp_path / "no")
