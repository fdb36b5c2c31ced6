"""Forecasts how F1 grows with the number of annotated tasks.

The curve is the inverse power law F1 = a - b * tasks ** -c, fitted to the versions of a project by weighted least
squares, as Figueroa et al. (2012), "Predicting sample size required for classification performance", BMC Medical
Informatics and Decision Making 12:8, propose. The curve's band comes from refits to resampled F1 scores.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from huggingface_ner.intervals import Z, f1_interval

# There is no forecast with fewer tasks or fewer scored versions. There is also none if the largest number of
# tasks is less than MIN_SPREAD times the smallest one, because any curve would fit then.
MIN_TASKS = 50
MIN_VERSIONS = 4
MIN_SPREAD = 1.5
# There is a trend if the curve rises by MIN_RISE from the first to the last version in TREND_SHARE of the refits.
# In simulations, 5 % of the projects whose F1 stays the same then get a forecast, and 74 to 97 % of the projects
# that still learn.
MIN_RISE = 0.02
TREND_SHARE = 0.99
# A target is named only if reaching it takes at most REACH times the tasks annotated now.
REACH = 3.0
TARGET_STEP = 0.05
REFITS = 200
# The held-out tasks are mostly the same from version to version, so half of the variance of the F1 scores is taken
# as shared by all versions: it moves the whole curve.
SHARED_VARIANCE = 0.5
# The ends of the 80 % band, as percentiles.
BAND = (10.0, 90.0)
_EXPONENTS = np.geomspace(0.1, 2.0, 40)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoredVersion:
    """The number of annotated tasks when a version was trained, and its counts; see scores.Scores."""

    tasks: int
    correct: int
    predicted: int
    gold: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The F1 that is expected with a number of tasks: the median of the refits, and the 80 % band."""

    tasks: int
    f1: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected F1 if more tasks of the same kind are annotated.

    curve: F1 from the first version's number of tasks up to twice the number annotated now or, if the project has
    fewer tasks, up to all of them. now: F1 on the curve at the number annotated now. doubled: F1 at twice that
    number.
    target: an F1 a little higher than now. more: the number of further tasks that it is expected to need.
    more_low, more_high: the ends of the 80 % band of ``more``. All four are None if the target is above 1, out of
    reach, or expected to be reached already; only more_high is None if that end is infinite.
    all_tasks: F1 if all tasks of the project are annotated; None if their number is not known, or if it is more
    than REACH times the number annotated now.
    """

    curve: tuple[Expected, ...]
    now: float
    doubled: Expected
    target: float | None = None
    more: int | None = None
    more_low: int | None = None
    more_high: int | None = None
    all_tasks: Expected | None = None

    @property
    def ahead(self) -> Expected:
        """F1 at twice the number annotated now or, if the project has fewer tasks, with all of them."""
        return self.all_tasks if self.all_tasks and self.all_tasks.tasks < self.doubled.tasks else self.doubled

    @property
    def tasks_suffice(self) -> bool | None:
        """Whether the project has as many tasks as the target needs; None if that is not known."""
        if self.more is None or self.all_tasks is None:
            return None
        return self.doubled.tasks // 2 + self.more <= self.all_tasks.tasks

    def as_dict(self) -> dict[str, Any]:
        """Return the forecast as JSON, without the curve."""
        return {name: value for name, value in asdict(self).items() if name != "curve"}


def forecast(versions: Sequence[ScoredVersion], in_all: int | None = None) -> Forecast | str:
    """Return the forecast, or a sentence that says why there is none.

    in_all: how many tasks of the project can be annotated, with those annotated already; None if that is not known
    or if no task is left.
    """
    scored = [version for version in versions if version.gold and version.tasks > 0]
    now = max((version.tasks for version in scored), default=0)
    if now < MIN_TASKS:
        return f"A forecast needs at least {MIN_TASKS} annotated tasks."
    if len(scored) < MIN_VERSIONS or now < MIN_SPREAD * min(version.tasks for version in scored):
        return (
            f"A forecast needs at least {MIN_VERSIONS} scored versions, the last one with {MIN_SPREAD:g} times as "
            "many tasks as the first."
        )
    tasks = np.array([version.tasks for version in scored], dtype=np.float64)
    fits = _fit(tasks, *_resampled(scored))
    rise = _value(fits, tasks.max()) - _value(fits, tasks.min())
    if float(np.mean(rise >= MIN_RISE)) < TREND_SHARE:
        return "The versions show no clear trend, so nothing can be said about more tasks."
    # annotations may have been deleted since the version was trained
    all_tasks = _expected(fits, max(in_all, now)) if in_all is not None and in_all <= REACH * now else None
    found = Forecast((), _expected(fits, now).f1, _expected(fits, 2 * now), all_tasks=all_tasks)
    counts = np.unique(np.geomspace(tasks.min(), found.ahead.tasks, 40).round()).astype(int)
    found = replace(found, curve=tuple(_expected(fits, int(count)) for count in counts))
    newest = max(scored, key=lambda version: version.tasks)
    return _with_target(fits, now, found, 2 * newest.correct / (newest.predicted + newest.gold))


def _resampled(scored: Sequence[ScoredVersion]) -> tuple[Array, Array]:
    """Return F1 scores, a row for each refit and a column for each version, and the weights of the versions."""
    f1 = np.array([2 * one.correct / (one.predicted + one.gold) for one in scored])
    ends = [f1_interval(one.correct, one.predicted, one.gold) for one in scored]
    errors = np.array([(end.high - end.low) / (2 * Z) for end in ends])
    random = np.random.default_rng(0)  # a fixed seed, so that the same scores always give the same forecast
    shared = random.standard_normal((REFITS, 1)) * SHARED_VARIANCE**0.5
    own = random.standard_normal((REFITS, len(scored))) * (1 - SHARED_VARIANCE) ** 0.5
    return np.clip(f1 + errors * (shared + own), 0.0, 1.0), 1 / errors**2


def _fit(tasks: Array, f1: Array, weights: Array) -> Array:
    """Return a, b and c of each row of F1 scores, with a <= 1 and b >= 0.

    For each exponent c of a grid, a and b are fitted by linear regression; the c with the least error is taken.
    """
    weights = weights / weights.sum()
    best: Array = np.full(len(f1), np.inf)
    fits: Array = np.zeros((3, len(f1)))
    mean = f1 @ weights
    for exponent in _EXPONENTS:
        z = tasks**-exponent
        centred = z - z @ weights
        slope = -((f1 * (weights * centred)).sum(axis=1)) / (weights @ centred**2)
        b = np.maximum(slope, 0.0)
        a = mean + b * (z @ weights)
        # F1 cannot be above 1: if a is above 1, fit the line through (0, 1) instead
        b = np.where(a > 1.0, ((1.0 - f1) * (weights * z)).sum(axis=1) / (weights @ z**2), b)
        a = np.minimum(a, 1.0)
        error = ((f1 - (a[:, None] - b[:, None] * z)) ** 2) @ weights
        better = error < best
        best = np.where(better, error, best)
        fits = np.where(better, np.stack([a, b, np.full(len(f1), exponent)]), fits)
    return fits


def _value(fits: Array, tasks: float) -> Array:
    a, b, c = fits
    return np.asarray(a - b * tasks**-c)


def _expected(fits: Array, tasks: int) -> Expected:
    low, middle, high = np.percentile(np.clip(_value(fits, tasks), 0.0, 1.0), (BAND[0], 50.0, BAND[1]))
    return Expected(tasks, float(middle), float(low), float(high))


def _with_target(fits: Array, now: int, found: Forecast, f1: float) -> Forecast:
    """Add a target to a forecast: the next multiple of TARGET_STEP that is at least MIN_RISE above F1 now.

    f1: the F1 of the version with the most tasks.
    """
    current = max(found.now, f1)
    target = round(float(np.ceil((current + MIN_RISE) / TARGET_STEP)) * TARGET_STEP, 2)
    a, b, c = fits
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(a > target, (b / (a - target)) ** (1 / c), np.inf)
    low, middle, high = np.percentile(np.maximum(needed, now), (BAND[0], 50.0, BAND[1]), method="nearest")
    if target > 1.0 or middle > REACH * now or middle <= now:
        return found
    most = _rounded(high - now) if np.isfinite(high) else None
    return replace(found, target=target, more=_rounded(middle - now), more_low=_rounded(low - now), more_high=most)


def _rounded(tasks: float) -> int:
    """Round a number of tasks for people: to two digits, and to tens from 20 on."""
    if tasks < 20:
        return max(round(tasks), 1)
    size = 10 ** max(len(str(int(tasks))) - 2, 1)
    return int(round(tasks / size) * size)
