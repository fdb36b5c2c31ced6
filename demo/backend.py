"""The backend of the demo: `serve` as users start it, with its queue and its worker."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.service import Service, started
from huggingface_ner.model_places import normalized, read_host
from huggingface_ner.processes import END_WITH_PARENT
from huggingface_ner.settings import Settings
from huggingface_ner.store.claims import adopt_models

START_TIMEOUT = 120.0


@contextmanager
def backend(folder: Path, port: int, label_studio: str, api_key: str) -> Iterator[Service]:
    """Run the backend for a Label Studio, reachable from this machine only, until the end of the with block.

    Its models and its log, backend.log, are in the folder. If BASELINE_MODEL_NAME is not set, it starts from the
    packaged encoder, even if the Hub can be reached. This encoder needs no download, is trained in a minute on any
    machine, and knows no entities yet. Raises DemoError if the backend does not start.
    """
    chosen = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "MODEL_DIR": str(folder / "models"),
        "LABEL_STUDIO_HOST": label_studio,
        "LABEL_STUDIO_API_KEY": api_key,
        "PREDICT_AFTER_TRAINING": "true",
        "UPDATE_PROJECT_MODEL_VERSION": "true",
        # trying other engines would take time after each training, for ONNX Runtime a quarter of a minute
        "INFERENCE_ENGINE": os.environ.get("INFERENCE_ENGINE") or "torch",
        # the environment may have values for other services on this machine
        "REDIS_URL": "",
        "BASIC_AUTH_USER": "",
        "BASIC_AUTH_PASS": "",
        END_WITH_PARENT: str(os.getpid()),
    }
    if not os.environ.get("BASELINE_MODEL_NAME"):
        # an empty cache, so that models downloaded earlier are not found
        chosen |= {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")}
    _keep_models(folder, label_studio)
    command = [sys.executable, "-m", "huggingface_ner", "serve"]
    with started("the backend", command, {**os.environ, **chosen}, folder / "backend.log") as service:
        service.wait_until_up(f"http://127.0.0.1:{port}/ready", START_TIMEOUT)
        yield service


def _keep_models(folder: Path, label_studio: str) -> None:
    """Assign the models to the demo's Label Studio, even if it ran on another port before."""
    settings = Settings(model_dir=folder / "models", label_studio_host=label_studio)
    known = read_host(settings.all_models_folder)
    if known is not None and known != normalized(label_studio):
        adopt_models(settings, known)
