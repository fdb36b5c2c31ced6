from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huggingface_ner.model_places import HOST_FILE, OWN, PlaceError, normalized, place_of, places
from huggingface_ner.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("HTTPS://Labels.Example.org:443", "https://labels.example.org"),
        ("http://labels.example.org:80/ls/", "http://labels.example.org/ls"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://labels.example.org:80", "https://labels.example.org:80"),
    ],
)
def test_an_address_has_one_spelling(address: str, expected: str) -> None:
    assert normalized(address) == expected
    assert normalized(expected) == expected


def _claim(place: Path, address: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / HOST_FILE).write_text(address)


def test_the_folder_itself_is_the_place_of_its_first_label_studio(tmp_path: Path) -> None:
    assert place_of(tmp_path / "missing", "http://a:8080") == OWN
    _claim(tmp_path, "http://a:8080\n")
    assert place_of(tmp_path, "http://A:8080/") == OWN
    other = place_of(tmp_path, "http://b:8080")
    assert other.startswith("b-8080-")
    assert other == place_of(tmp_path, "http://b:8080"), "every process finds the same place"
    assert other != place_of(tmp_path, "https://b:8080")
    _claim(tmp_path / other, "http://b:8080")
    assert places(tmp_path) == {OWN: "http://a:8080", other: "http://b:8080"}
    assert place_of(tmp_path, "http://b:8080") == other
    _claim(tmp_path / other, "http://c:8080")  # the Label Studio has a new address
    assert place_of(tmp_path, "http://c:8080") == other
    assert place_of(tmp_path, "http://b:8080") not in (other, OWN)


@given(address=st.from_regex(r"https?://[a-zA-Z0-9.-]{1,60}(:[1-9][0-9]{0,3})?(/[^\s?#]{0,20})?", fullmatch=True))
def test_a_place_is_never_a_projects_folder_nor_outside(
    tmp_path_factory: pytest.TempPathFactory, address: str
) -> None:
    models = tmp_path_factory.mktemp("models")
    _claim(models, "http://first.example")
    name = place_of(models, address)
    assert not name.isdecimal()
    assert "/" not in name
    assert not name.startswith(".")
    assert (models / name).resolve().parent == models.resolve()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"label studio"])
def test_damage_is_not_taken_for_absence(tmp_path: Path, content: bytes) -> None:
    """If the file is damaged, another Label Studio does not get the models."""
    (tmp_path / HOST_FILE).write_bytes(content)
    with pytest.raises(PlaceError, match="write the address of their Label Studio into it"):
        place_of(tmp_path, "http://a:8080")


def test_an_address_without_a_valid_port_is_refused() -> None:
    with pytest.raises(SettingsError, match="LABEL_STUDIO_HOST=http://a:99999999"):
        read_settings(label_studio_host="http://a:99999999")
