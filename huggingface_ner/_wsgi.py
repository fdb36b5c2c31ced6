"""The app for a WSGI server, ``huggingface_ner._wsgi:app``. If this file is run as a script, it starts the server.

``label-studio-ml start ./huggingface_ner`` runs this file with the ``python`` that is first on PATH. Python then
puts this folder first on ``sys.path``. This file replaces it there with the parent folder, which contains the
package.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    environment_python = root / ".venv" / "bin" / "python"
    if sys.prefix == sys.base_prefix and environment_python.exists():  # .venv is not activated
        os.execv(environment_python, [str(environment_python), __file__, *sys.argv[1:]])  # noqa: S606 - no shell
    sys.path[0] = str(root)

    from huggingface_ner.cli import main

    sys.exit(main(["serve", *sys.argv[1:]]))

from huggingface_ner.logs import configure_logging
from huggingface_ner.server.gunicorn import make_app
from huggingface_ner.settings import shared_settings

configure_logging(shared_settings())
app = make_app(shared_settings())
