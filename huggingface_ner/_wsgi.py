"""The app for a WSGI server, ``huggingface_ner._wsgi:app``; run as a file, it serves.

``label-studio-ml start ./huggingface_ner`` runs this file, with this folder first on the path: its parent is the
one that has the package.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from huggingface_ner.cli import main

    sys.exit(main(["serve", *sys.argv[1:]]))

from huggingface_ner.cli import configure_logging
from huggingface_ner.server.gunicorn import make_app
from huggingface_ner.settings import shared_settings

configure_logging(shared_settings())
app = make_app(shared_settings())
