"""What can be wrong with a model."""


class ModelError(ValueError):
    """A folder or Hub name that cannot be used as the asked-for model; the message names it and says why."""
