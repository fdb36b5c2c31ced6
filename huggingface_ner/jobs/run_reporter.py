"""Reports the progress of a run to Redis, and checks at the same time whether the run still has its lease."""

import logging
import time
from contextlib import suppress

from redis import RedisError

from huggingface_ner.jobs.phases import PhaseClock
from huggingface_ner.jobs.queue import TrainingQueue
from huggingface_ner.jobs.runs import LEASE_SECONDS, Run
from huggingface_ner.learning.progress import RunProgress

REPORT_INTERVAL = 1.0

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """This run lost its lease to another run, so it must not publish anything."""


class Reporter:
    """Reports a new phase to Redis at once, but steps at most every REPORT_INTERVAL.

    clock: measures the phases. A call raises LeaseLostError if the run lost its lease. If Redis has not answered
    for LEASE_SECONDS, the call waits until it answers, because a worker that can reach Redis may have the lease.
    """

    def __init__(self, queue: TrainingQueue, run: Run, clock: PhaseClock) -> None:
        self._queue = queue
        self._run = run
        self._clock = clock
        self._phase: str | None = None
        self._phase_began = 0.0
        self._reported = 0.0
        self._answered = time.monotonic()

    def __call__(self, progress: RunProgress) -> None:
        """Report the progress, unless it was reported a moment ago; raises LeaseLostError."""
        now = time.monotonic()
        if progress.phase == self._phase and now - self._reported < REPORT_INTERVAL:
            return
        if progress.phase != self._phase:
            self._clock.enter(progress.phase)
            self._phase, self._phase_began = progress.phase, time.time()
        self._reported = now
        try:
            self._report(progress)
        except RedisError as error:
            logger.warning("could not report progress to Redis: %s", error)
            if time.monotonic() - self._answered > LEASE_SECONDS:
                self._wait_for_redis(progress)

    def _report(self, progress: RunProgress) -> None:
        has_lease = self._queue.report(self._run, progress, self._phase_began)
        self._answered = time.monotonic()
        if not has_lease:
            raise LeaseLostError(self._run.id)

    def _wait_for_redis(self, progress: RunProgress) -> None:
        logger.warning("project %d: the training pauses until Redis answers", self._run.project_id)
        while True:
            time.sleep(REPORT_INTERVAL)
            with suppress(RedisError):
                self._report(progress)
                break
        logger.warning("project %d: Redis answers; the training continues", self._run.project_id)
