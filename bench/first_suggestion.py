"""Measure the wait for a new model, from the tenth annotation to the first suggestion, by phase.

    python -m bench.first_suggestion [--tasks 10] [--checkout FOLDER]

Runs ``serve`` with its embedded queue and worker, the packaged encoder and a stand-in for Label Studio with
tasks from examples/news. Ten annotations are saved, a second apart. Prints the seconds until each phase begins,
until the first prediction of the new model, and until the training has tried the engines.
FOLDER: the service's checkout, to compare it with this one; default: this one.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.corpus import short_news
from tests import ROOT, recorded
from tests.label_studio_api import LEGACY_TOKEN, serve_label_studio_api
from tests.server.service import ask, running, wait

PROJECT = 1
ANNOTATIONS = 10
POLL_INTERVAL = 0.05
SECONDS_BETWEEN = 1.0


def main() -> None:
    """Annotate, and print the time of each event."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10, help="annotated tasks (default: %(default)s)")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the service's checkout (default: this one)")
    options = parser.parse_args()
    config, tasks = short_news()
    event = recorded("webhook_ANNOTATION_CREATED")["request"]["body"]
    event["project"]["id"] = PROJECT
    with serve_label_studio_api() as api, TemporaryDirectory() as folder:
        api.add(PROJECT, config, tasks[: options.tasks])
        environment = {
            "PYTHONPATH": str(options.checkout),
            "PYTHONSAFEPATH": "1",
            "HF_HUB_OFFLINE": "1",
            "LABEL_STUDIO_HOST": api.url,
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
            "KNOWN_MENTIONS": "false",
            "BASELINE_MODEL_NAME": "",
            "MODEL_DIR": folder,
        }
        command = [sys.executable, "-m", "huggingface_ner", "serve"]
        with running(command, Path(folder) / "log", **environment) as url:
            wait(f"{url}/ready")
            ask(f"{url}/setup", {"project": f"{PROJECT}.1", "schema": config})
            request = {
                "tasks": [{"id": 1, "data": {"text": "Angela Merkel visited Paris."}}],
                "project": f"{PROJECT}.1",
                "label_config": config,
            }
            before = _version(url, request)
            for _ in range(ANNOTATIONS - 1):
                ask(f"{url}/webhook", event)
                time.sleep(SECONDS_BETWEEN)
            ask(f"{url}/webhook", event)
            _watch(url, request, before)


def _watch(url: str, request: dict[str, Any], before: str) -> None:
    began = time.monotonic()
    seen = ""
    is_suggested = False
    print(f"load {os.getloadavg()[0]:.1f}")
    while True:
        status = ask(f"{url}/training?project={PROJECT}")[1]
        now = status["run"]["phase"] if "run" in status else status["state"]
        if now != seen:
            print(f"{time.monotonic() - began:6.1f} s  {now}", flush=True)
            seen = now
        if not is_suggested and _version(url, request) != before:
            print(f"{time.monotonic() - began:6.1f} s  the first suggestion of the new model", flush=True)
            is_suggested = True
        last = status.get("last", {})
        has_ended = status["state"] == "idle" and "status" in last
        if status["state"] == "parked" or (has_ended and (is_suggested or last["status"] != "published")):
            print(f"{last['status']}: {last['reason']}")
            return
        time.sleep(POLL_INTERVAL)


def _version(url: str, request: dict[str, Any]) -> str:
    return str(ask(f"{url}/predict", request)[1]["results"][0]["model_version"])


if __name__ == "__main__":
    main()
