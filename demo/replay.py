"""Simulate an annotator in the running demo, and show what the backend learns (`make demo-replay`).

    python -m demo.replay

Each round submits gold annotations of examples/news, starts a training, and scores the backend's predictions for
the short tasks that are not annotated yet. The curve is drawn to results/demo/learning_curve.png and .svg.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from label_studio_sdk.core.api_error import ApiError
from tqdm import tqdm

from demo import FOLDER, DemoError
from demo.curve import draw_curve
from demo.news import CONFIG, read_news, score
from demo.project import backend_id, connect
from demo.state import RunningDemo, find_running

# The number of annotated tasks after each round. Enough other tasks remain to score on.
ROUNDS = (20, 40, 80, 120, 160)
# The two texts with more characters are not annotated: with one of them, a training takes three times as long.
LONGEST = 2_000
TASKS_AT_A_TIME = 200
POLL_INTERVAL = 0.5
ANSWER_TIMEOUT = 120.0
# Seconds until a published model has to be in use. Normally this takes a few seconds.
SERVE_TIMEOUT = 60.0

HEADER = (
    f"{'annotated':>9}  {'scored on':>9}  {'precision':>9}  {'recall':>6}  {'F1':>6}  {'seconds':>7}  training"
)


@dataclass(frozen=True, slots=True)
class Round:
    """The result of a round of the replay.

    annotated: the number of annotated tasks. left: the number of other short tasks, on which the model is scored.
    seconds: for annotating and training, until the new model is in use.
    training: the status of the training's outcome, see huggingface_ner.learning.progress.Outcome.
    """

    annotated: int
    left: int
    precision: float
    recall: float
    f1: float
    seconds: float
    training: str

    def __str__(self) -> str:
        return (
            f"{self.annotated:9}  {self.left:9}  {self.precision:9.3f}  {self.recall:6.3f}  {self.f1:6.3f}  "
            f"{self.seconds:7.0f}  {self.training}"
        )


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that is not annotated yet."""

    id: int
    text: str


class Replay:
    """Simulates an annotator in a demo; raises DemoError if this cannot continue."""

    def __init__(self, demo: RunningDemo) -> None:
        self._demo = demo
        self._label_studio = connect(demo.label_studio, demo.api_key)
        self._backend = httpx.Client(base_url=demo.backend, timeout=ANSWER_TIMEOUT)
        self._gold = read_news()

    def play(self) -> Iterator[Round]:
        """Play the remaining rounds; yield the state before them, and then the result of each."""
        annotated, open_tasks = self._tasks()
        if annotated >= ROUNDS[-1]:
            raise DemoError(
                f"{annotated} tasks are annotated, so no round is left. To begin again, stop the demo, remove "
                f"{FOLDER} and start the demo"
            )
        yield self._score(annotated, open_tasks, 0.0, "-")
        backend = backend_id(self._label_studio, self._demo.project)
        for number in ROUNDS:
            began = time.monotonic()
            annotated, open_tasks = self._tasks()
            if annotated < number:
                for task in tqdm(open_tasks[: number - annotated], "annotating", leave=False, disable=None):
                    self._label_studio.annotations.create(id=task.id, result=self._gold[task.text])
                training = self._train(backend)
                annotated, open_tasks = self._tasks()
                yield self._score(annotated, open_tasks, time.monotonic() - began, training)

    def _tasks(self) -> tuple[int, list[OpenTask]]:
        """Return how many tasks are annotated, and the short tasks that are not, in the order of their ids."""
        tasks: list[Any] = list(
            self._label_studio.tasks.list(project=self._demo.project, fields="all", page_size=TASKS_AT_A_TIME)
        )
        open_tasks = [
            OpenTask(task.id, text)
            for task in sorted(tasks, key=lambda task: int(task.id))
            if not task.annotations and (text := task.data.get("text")) in self._gold and len(text) <= LONGEST
        ]
        return sum(bool(task.annotations) for task in tasks), open_tasks

    def _score(self, annotated: int, open_tasks: Sequence[OpenTask], seconds: float, training: str) -> Round:
        """Score the backend's predictions for the open tasks, which are requested as Label Studio does."""
        answer = self._ask(
            "/predict",
            {
                "tasks": [{"id": task.id, "data": {"text": task.text}} for task in open_tasks],
                "project": str(self._demo.project),
                "label_config": CONFIG,
            },
        )
        predicted = [prediction["result"] for prediction in answer["results"]]
        texts = [task.text for task in open_tasks]
        scores = score(self._gold, dict(zip(texts, predicted, strict=True)))
        return Round(annotated, len(texts), scores.precision, scores.recall, scores.f1, seconds, training)

    def _train(self, backend: int) -> str:
        """Click Start Training, wait until the new model is in use, and return the training's status.

        The annotations have already requested a training; the backend runs one training for both requests.
        """
        pressed = time.time()
        self._label_studio.ml.train(id=backend)
        last = self._wait_for_training()
        if last.get("at", 0.0) < pressed:
            raise DemoError("the backend got no request for a training; results/demo/backend.log may say why")
        self._wait_until_served(last.get("version"))
        return str(last["status"])

    def _wait_for_training(self) -> dict[str, Any]:
        """Wait until no training is requested or running; return how the last one ended, or {} if none ran."""
        with tqdm(desc="training", unit="step", leave=False, disable=None) as bar:
            while True:
                status = self._ask(f"/training?project={self._demo.project}")
                if status["state"] == "idle":
                    return dict(status.get("last", {}))
                if status["state"] == "parked":
                    raise DemoError(f"the training fails: {status['reason']}")
                if status["state"] == "running":
                    bar.total = status["run"]["steps"] or None
                    bar.update(status["run"]["step"] - bar.n)
                time.sleep(POLL_INTERVAL)

    def _wait_until_served(self, version: str | None) -> None:
        """Wait until a version is in use.

        version: None if none was published; then this returns at once.
        """
        until = time.monotonic() + SERVE_TIMEOUT
        body = {"project": str(self._demo.project), "schema": CONFIG}
        while version is not None and self._ask("/setup", body)["model_version"] != version:
            if time.monotonic() > until:
                raise DemoError(f"version {version} is not in use after {SERVE_TIMEOUT:.0f} s")
            time.sleep(POLL_INTERVAL)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._backend.get(path) if body is None else self._backend.post(path, json=body)
        if answer.is_error:
            raise DemoError(f"the backend answers {path} with HTTP {answer.status_code}: {answer.text}")
        return answer.json()


def main() -> int:
    """Play and print the rounds; return the exit status: 0, 1 after an error, 130 after Ctrl-C."""
    try:
        points: list[tuple[int, float]] = []
        for played in Replay(find_running(FOLDER)).play():
            if not points:
                print("strict span scores on the tasks not yet annotated, without the two long texts")
                print(HEADER)
            print(played, flush=True)
            points.append((played.annotated, played.f1))
            files = draw_curve(points, FOLDER)
        print("the learning curve:", *files)
    except KeyboardInterrupt:
        return 130
    except ApiError as error:
        print(f"demo-replay: Label Studio answers HTTP {error.status_code}: {error.body}", file=sys.stderr)
    except httpx.TransportError as error:
        print(f"demo-replay: does the demo still run? ({error})", file=sys.stderr)
    except DemoError as error:
        print(f"demo-replay: {error}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
