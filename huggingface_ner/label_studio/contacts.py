"""What a request to Label Studio tells of it; apart from the client, because the client's imports take long."""

from dataclasses import dataclass

# Part of the reason of a ClientError if Label Studio refuses the key.
REFUSES_KEY = "does not accept"


@dataclass(frozen=True, slots=True)
class Contact:
    """The outcome of a request to Label Studio about a project.

    trouble: why the request failed; None if Label Studio answered. title: the project's title, if it was read.
    """

    project_id: int
    trouble: str | None = None
    title: str | None = None
