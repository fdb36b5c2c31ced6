"""What each command of ``python -m huggingface_ner`` takes and does: a file for each.

Heavy imports are inside the commands, so that --help and a wrong option answer at once.
"""
