"""The base class of all errors whose message is written for people, and descriptions of other exceptions."""

import traceback

# Other exceptions whose messages may quote a value, and so the text of a task.
_QUOTING = (ValueError, LookupError, AssertionError)
_MAX_FRAMES = 3


class HuggingFaceNERError(Exception):
    """An error whose message can be shown to people: it says what is wrong, where, and what to do about it.

    Any other exception is a bug in this package or in a library. It is logged with its traceback.

    retryable: whether the same call may succeed later although nobody has changed anything.
    """

    retryable = False


class UnavailableError(HuggingFaceNERError):
    """The service cannot answer now.

    retry_after: seconds after which a retry makes sense.
    """

    retryable = True

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClientGoneError(HuggingFaceNERError):
    """The client has disconnected and does not wait for the answer."""

    def __init__(self) -> None:
        super().__init__("the client has disconnected")


def without_text(error: BaseException) -> str:
    """Describe an exception, without its message if that may quote the text of a task."""
    name = type(error).__name__
    # libraries that are not written in Python raise Exception itself
    if isinstance(error, _QUOTING) or type(error) is Exception:
        return f"{name} (its message may quote a text, so only LOG_LEVEL=DEBUG shows it)"
    return f"{name}: {error}"


def place_of_error(error: Exception) -> str:
    """Return the kind of an exception and the functions in which it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    places = " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} in {places}"
