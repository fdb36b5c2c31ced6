"""Measures how long the phases of a training take, and estimates how long a running training will still take."""

import time
from collections.abc import Mapping
from typing import Any, get_args

from huggingface_ner.learning.progress import Phase

PHASES: tuple[str, ...] = get_args(Phase)
# The phases until the new version is published. People wait for this.
UNTIL_PUBLISHED = PHASES[: PHASES.index("publishing") + 1]


class PhaseClock:
    """Times the phases of a run."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._phase: str | None = None
        self._began = time.monotonic()

    def enter(self, phase: str) -> None:
        """Note that a phase has begun."""
        now = time.monotonic()
        if self._phase is not None:
            self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._began
        self._phase, self._began = phase, now

    def seconds(self) -> dict[str, float]:
        """Return how long each phase has taken so far."""
        if self._phase is not None:
            self.enter(self._phase)
        return {phase: round(seconds, 1) for phase, seconds in self._seconds.items()}


def run_seconds_left(progress: Mapping[str, Any], phases: Mapping[str, float], now: float) -> float | None:
    """Return the estimated seconds until a run has published its version, or None while too little is known.

    progress: the fields of the run's RunProgress, and ``phase_began``. phases: how long each phase took in the
    last training that was published; empty before the first. now: seconds since 1970.
    The time for the remaining steps is extrapolated. Every other phase is expected to take as long as in the last
    training. After the publication, the seconds until the engines have been tried are returned.
    """
    phase = progress.get("phase")
    if phase not in PHASES or not phases:
        return None
    later = sum(phases.get(name, 0.0) for name in UNTIL_PUBLISHED[PHASES.index(phase) + 1 :])
    if phase == "training" and progress.get("steps"):
        left: float | None = progress.get("seconds_left")
        return None if left is None else round(left + later, 1)
    elapsed = max(now - float(progress.get("phase_began", now)), 0.0)
    return round(max(phases.get(phase, 0.0) - elapsed, 0.0) + later, 1)
