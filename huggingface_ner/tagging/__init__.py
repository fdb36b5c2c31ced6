"""From texts to spans."""
