"""Configures logging."""

import logging
import sys

from huggingface_ner.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Log to standard error, one line per event."""
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for chatty in ("httpx", "rq.worker"):  # a line for each request to the Hub, ten for each training
        logging.getLogger(chatty).setLevel(logging.WARNING)
