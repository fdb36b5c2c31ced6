"""What the benchmarks that make faults share: which faults are chosen, the service's settings, and waiting."""

import argparse
import time
from collections.abc import Callable, Collection
from pathlib import Path

from tests.label_studio_api import LEGACY_TOKEN
from tests.tiny_models import save_tiny_model


def read_faults(description: str | None, option: str, faults: Collection[str]) -> list[str]:
    """Return the faults that an option of the command line names, by default all; exits if one is unknown."""
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

    models: MODEL_DIR. folder: the baseline is written into it. label_studio: the address of the stand-in.
    """
    return {
        "REDIS_URL": redis_url,
        "MODEL_DIR": str(models),
        "BASELINE_MODEL_NAME": str(save_tiny_model(folder / "baseline", "bert")),
        "LABEL_STUDIO_HOST": label_studio,
        "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        "LEARNING_RATE": "2e-2",
        # each training publishes, so that it is seen which one was the last
        "F1_TOLERANCE": "1",
        "START_TRAINING_EACH_N_UPDATES": "0",
        "INFERENCE_ENGINE": "torch",
        "INFERENCE_PRECISION": "fp32",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds; raises TimeoutError, which names ``what``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
