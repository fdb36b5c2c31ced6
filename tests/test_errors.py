from huggingface_ner.errors import HuggingFaceNERError, place_of_error, without_text


def test_messages_that_may_quote_a_text_are_left_out() -> None:
    for quoting in (
        ValueError("Anna"),
        KeyError("Anna"),
        UnicodeError("Anna"),
        AssertionError("Anna"),
        Exception("Anna"),
    ):
        assert "Anna" not in without_text(quoting)
        assert without_text(quoting).startswith(f"{type(quoting).__name__} (")
    for sound in (OSError("disk full"), RuntimeError("CUDA out of memory"), HuggingFaceNERError("a reason")):
        assert without_text(sound) == f"{type(sound).__name__}: {sound}"


def test_the_place_of_an_error_has_no_message() -> None:
    try:
        int("Anna")
    except ValueError as error:
        place = place_of_error(error)
    assert place.startswith("ValueError in test_the_place_of_an_error_has_no_message:")
    assert "Anna" not in place
