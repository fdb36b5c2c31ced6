"""The demo: the real Label Studio, the backend beside it, and an annotator who is simulated through the API."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Contains Label Studio's database, the models, the logs and the learning curve.
FOLDER = ROOT / "results" / "demo"


class DemoError(RuntimeError):
    """The demo cannot continue; the message says what to do."""
