"""The base class of all errors whose message is written for people."""


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
