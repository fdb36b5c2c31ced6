"""Configures logging: all processes use one format, and no logged text can break it."""

import json
import logging
import re
import sys
from datetime import datetime

from huggingface_ner.settings import Settings

# Maximum number of characters of a message, and of a traceback. Names, paths and ids come from outside.
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 20_000
# Control characters, line ends of Unicode, and marks that change the direction of the text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PROJECT = re.compile(r"\bproject ([0-9]{1,20}):")
_RUN = re.compile(r"\btrain-[0-9]{1,20}-[0-9]{1,20}\b")


class TextFormatter(logging.Formatter):
    """Writes a line for each event: time with offset, level, logger and message. A traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}"
        traceback = _traceback(self, record)
        return "\n  ".join([line, *map(_escaped, traceback.splitlines())])


class JsonFormatter(logging.Formatter):
    """Writes a JSON object for each event; it has ``project``, ``run`` and ``traceback`` only if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        message = _message(record)
        project, run = _PROJECT.search(message), _RUN.search(message)
        event = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": message,
            "project": int(project[1]) if project else None,
            "run": run[0] if run else None,
            "traceback": _traceback(self, record) or None,
        }
        return json.dumps({name: value for name, value in event.items() if value is not None})


def configure_logging(settings: Settings) -> None:
    """Log to standard error in the format of LOG_FORMAT."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    # these loggers write a line for each request to the Hub, and ten lines for each training
    for chatty in ("httpx", "httpx2", "rq.worker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    return _escaped(_cut(record.getMessage(), MAX_MESSAGE))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _cut(formatter.formatException(record.exc_info), MAX_TRACEBACK) if record.exc_info else ""


def _cut(text: str, maximum: int) -> str:
    """Return a text; if it has more than ``maximum`` characters, keep only its beginning and its end."""
    if len(text) <= maximum:
        return text
    return f"{text[: maximum // 2]} [{len(text) - maximum} characters left out] {text[-maximum // 2 :]}"


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)
