"""Runs the app in gunicorn."""

import atexit
import os
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLogger

from huggingface_ner.jobs.queue import open_queue
from huggingface_ner.server.gunicorn_worker import Worker
from huggingface_ner.serving.memory import exempt_from_collection
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from huggingface_ner.temporary_folders import temporary_folder

REQUEST_TIMEOUT = 120  # seconds; Label Studio hangs up after 100


def make_app(settings: Settings) -> Flask:
    """Return an app whose models load in the background."""
    # imported here, because prometheus_client reads PROMETHEUS_MULTIPROC_DIR when it is imported, and because
    # label_studio.base_class has to be imported before torch
    from huggingface_ner.server.app import create_app  # noqa: PLC0415

    models = ServedModels(settings, on_load=exempt_from_collection)
    models.start()
    # a thread that is still inside an engine when the interpreter exits would abort the process
    atexit.register(models.stop_engines)
    return create_app(settings, models, open_queue(settings))


def serve(settings: Settings) -> None:
    """Serve on HOST and PORT until SIGTERM or Ctrl-C."""
    with temporary_folder("huggingface-ner-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        _Server(settings).run()


class _Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Logs in the format of our other processes instead of gunicorn's."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": Worker,
            # gunicorn's defaults for these depend on which other packages are installed
            "asgi_loop": "uvloop",
            "http_parser": "python",
            "asgi_lifespan": "off",
            "timeout": REQUEST_TIMEOUT,
            "control_socket_disable": True,
            "proc_name": "huggingface-ner",
            "loglevel": settings.log_level.lower(),
            "logger_class": _Logger,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        # imported here for the same reasons as in make_app
        from huggingface_ner.server.asgi import AsgiApp  # noqa: PLC0415

        return AsgiApp(make_app(self._settings), self._settings)
