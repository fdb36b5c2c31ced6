"""From annotated texts to a model with its scores."""
