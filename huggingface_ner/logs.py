"""Configures logging."""

import logging
import sys

from huggingface_ner.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Log to standard error, one line per event."""
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for chatty in ("httpx", "rq.worker"):  # they log each request to the Hub, and ten lines for each training
        logging.getLogger(chatty).setLevel(logging.WARNING)
