"""The root of all errors whose message is written for people."""


class HuggingFaceNERError(Exception):
    """What is wrong, with what, and what to do about it, in a message that can be shown to people.

    Everything else that is raised is a fault of ours or of a library: it is logged with its traceback.

    retryable: whether the same call may succeed later, with nothing changed.
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
