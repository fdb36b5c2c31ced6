"""What a request to Label Studio tells of it; apart from the client, because the client's imports take long."""

from dataclasses import dataclass

from huggingface_ner.label_studio.task_counts import TaskCounts


@dataclass(frozen=True, slots=True)
class Contact:
    """The outcome of a request to Label Studio about a project.

    trouble: why the request failed; None if Label Studio answered. refuses_key: whether it failed because Label
    Studio refuses the key. title, counts: the project's title and its tasks, if they were read.
    """

    project_id: int
    trouble: str | None = None
    refuses_key: bool = False
    title: str | None = None
    counts: TaskCounts | None = None
