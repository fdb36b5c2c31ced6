"""The names of annotators, from Label Studio."""

from collections.abc import Collection

from huggingface_ner.label_studio.client import LabelStudioClient

MAX_NAME = 100


def annotator_names(client: LabelStudioClient, project_id: int, annotators: Collection[int]) -> dict[int, str]:
    """Return the name or, without one, the e-mail address of each annotator, by id; unknown ones are left out.

    Label Studio is asked only if there are several annotators. Raises ClientError.
    """
    if len(annotators) < 2:
        return {}
    with client.request(project_id) as sdk:
        users = sdk.users.list()
    found = {}
    for user in users:
        full = " ".join(part for part in (user.first_name, user.last_name) if part)
        shown = full or user.email or user.username
        if user.id in annotators and shown:
            found[user.id] = shown[:MAX_NAME].encode("utf-8", "replace").decode()
    return found
