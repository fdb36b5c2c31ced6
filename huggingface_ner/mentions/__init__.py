"""Known mentions: the strings that were annotated before, how often each was annotated, and where it occurs."""
