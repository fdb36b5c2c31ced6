from pathlib import Path

from huggingface_ner.store.mistakes_file import read_mistakes, write_mistakes


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_mistakes(tmp_path) == {}
    mistakes = {"kinds": [{"gold": "Orté 😀", "count": 3}]}
    write_mistakes(tmp_path, mistakes)
    assert read_mistakes(tmp_path) == mistakes
