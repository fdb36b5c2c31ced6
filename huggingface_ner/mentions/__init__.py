"""Known mentions: strings that were annotated before, how often, and where else they occur."""
