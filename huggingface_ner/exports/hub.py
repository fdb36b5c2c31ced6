"""Pushes an exported model to a repository on the Hugging Face Hub."""

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError

from huggingface_ner.errors import HuggingFaceNERError
from huggingface_ner.exports.exported_model import Files
from huggingface_ner.exports.model_card import REPOSITORY


class PushError(HuggingFaceNERError):
    """A model cannot be pushed; the message says why, and what to do."""


def check_repository(name: str) -> None:
    """Raise PushError if a name is not a valid repository name, or if nothing can be pushed to the Hub."""
    if not REPOSITORY.fullmatch(name):
        raise PushError(f"{name}: not a repository; write USER/NAME or ORGANIZATION/NAME")
    if constants.is_offline_mode():
        raise PushError("HF_HUB_OFFLINE is set, so nothing can be pushed to the Hub: unset it")
    if get_token() is None:
        raise PushError(
            "HF_TOKEN is not set: make a token with write access at https://huggingface.co/settings/tokens, and "
            "set HF_TOKEN to it"
        )


def push(files: Files, repository: str, message: str, *, private: bool = True) -> str:
    """Push a model in one commit, and return the address of its repository, which is created if it is missing.

    private: whether a repository that is created is private. Raises PushError.
    """
    check_repository(repository)
    api = HfApi()
    # the commit takes paths as str
    contents = {name: content if isinstance(content, bytes) else str(content) for name, content in files.items()}
    operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.create_commit(repository, operations, commit_message=message)
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = ": HF_TOKEN needs write access to it" if status in (401, 403) else ""
        raise PushError(f"{repository}: the Hub answers HTTP {status}{hint}: {_first_line(error)}") from error
    except Exception as error:  # the classes of the exceptions depend on the HTTP library of the Hub's client
        raise PushError(f"{repository}: not pushed to {constants.ENDPOINT}: {_first_line(error)}") from error
    return str(address)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
