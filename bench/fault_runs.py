"""Shared by the benchmarks that make faults: the choice of faults, the service's settings, and waiting."""

import argparse
import time
from collections.abc import Callable, Collection
from pathlib import Path

from tests.label_studio_api import LEGACY_TOKEN
from tests.tiny_models import save_tiny_model


def read_faults(description: str | None, option: str, faults: Collection[str]) -> list[str]:
    """Return the faults that a command line option names, by default all; exit if one is unknown."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        option, dest="chosen", default=",".join(faults), help="faults, separated by commas (default: all)"
    )
    chosen: list[str] = parser.parse_args().chosen.split(",")
    if not set(chosen) <= set(faults):
        parser.error(f"{option}: choose from {', '.join(faults)}")
    return chosen


def service_settings(redis_url: str, models: Path, folder: Path, label_studio: str) -> dict[str, str]:
    """Return the environment of a service whose trainings take seconds.

    models: MODEL_DIR. folder: the baseline is saved in it. label_studio: the address of the stand-in.
    """
    return {
        "REDIS_URL": redis_url,
        "MODEL_DIR": str(models),
        "BASELINE_MODEL_NAME": str(save_tiny_model(folder / "baseline", "bert")),
        "LABEL_STUDIO_HOST": label_studio,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        "LEARNING_RATE": "2e-2",
        # each training publishes a version, which shows that the training has ended
        "F1_TOLERANCE": "1",
        "START_TRAINING_EACH_N_UPDATES": "0",
        "INFERENCE_ENGINE": "torch",
        "INFERENCE_PRECISION": "fp32",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition is true; raises TimeoutError, whose message contains ``what``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
