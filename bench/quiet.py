"""Keeps logs, warnings and progress bars of libraries out of what a script prints."""

import logging
import warnings

from transformers.utils import logging as transformers_logging


def silence_libraries() -> None:
    """Show no logs below errors, no warnings, and no progress bars of transformers in this process."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
