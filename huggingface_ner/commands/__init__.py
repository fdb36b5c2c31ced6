"""The commands of ``python -m huggingface_ner``, with their options.

To add one, write its file here and list it in cli.ADD_COMMANDS. Heavy imports belong inside the functions, so that
--help and errors about options appear at once.
"""
