"""Models in memory, and the texts that wait for them."""
