"""The commands of ``python -m huggingface_ner``, with their options.

To add a command, write a file for it here and list its function in cli.ADD_COMMANDS. Put slow imports inside the
functions, because --help and errors about options must appear at once.
"""
