import pytest

from huggingface_ner.label_studio.addresses import parse_address, project_address, task_address


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://labels.example/studio/", "https://labels.example/studio"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_the_address_of_a_page_is_taken(given: str, address: str) -> None:
    assert parse_address(given) == address


@pytest.mark.parametrize(
    "given",
    [
        *(
            None,
            3,
            [],
            "",
            "/",
            "localhost:8080",
            "javascript:alert(1)",
            "JavaScript://x/%0aalert(1)",
            "data:text/html,x",
        ),
        *(
            "ftp://x",
            "http://",
            "http://user:password@x",
            "http://x?y",
            "http://x#y",
            "http://[",
            "http://x\n",
            "http://x y",
        ),
        "http://" + "x" * 1000,
    ],
)
def test_nothing_else_is(given: object) -> None:
    assert parse_address(given) == ""


def test_a_task_has_an_address_if_its_id_is_one_of_label_studios() -> None:
    assert project_address("http://x", 7) == "http://x/projects/7/data"
    assert task_address("http://x", 7, "12") == "http://x/projects/7/data?task=12"
    for task_id in ("#3", "", "1&x", "١", "-1"):
        assert task_address("http://x", 7, task_id) is None
