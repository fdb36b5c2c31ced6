"""What ``python -m huggingface_ner`` runs."""

import sys

from huggingface_ner.cli import main

sys.exit(main())
