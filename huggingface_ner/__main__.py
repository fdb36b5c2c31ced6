"""Runs the command line: ``python -m huggingface_ner``."""

import sys

from huggingface_ner.cli import main

sys.exit(main())
