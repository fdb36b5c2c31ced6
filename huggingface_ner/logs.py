"""Configures logging: all processes use one format, and no logged text can break it."""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType

from huggingface_ner.errors import without_text
from huggingface_ner.secret_values import without_credentials
from huggingface_ner.settings import Settings

# Maximum number of characters of a message, and of a traceback. Names, paths and ids come from outside.
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 20_000
# Control characters, line ends of Unicode, and marks that change the direction of the text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PROJECT = re.compile(r"\bproject ([0-9]{1,20}):")
_RUN = re.compile(r"\btrain-([0-9]{1,20})-[0-9]{1,20}\b")

# What the current thread works on: the project, the run and the request, as far as they are known.
_work: ContextVar[dict[str, int | str]] = ContextVar("work", default={})  # noqa: B039 - it is never changed

logger = logging.getLogger(__name__)


@contextmanager
def working_on(
    *, project: int | None = None, run: str | None = None, request: str | None = None
) -> Iterator[None]:
    """Name a project, a run or a request in all lines that this thread logs in the with block."""
    named = {"project": project, "run": run, "request": request}
    before = _work.set(_work.get() | {name: value for name, value in named.items() if value is not None})
    try:
        yield
    finally:
        _work.reset(before)


class TextFormatter(logging.Formatter):
    """Writes a line for each event: time with offset, level, logger and message. A traceback follows, indented.

    The project, the run and the request are named after the logger unless the message names them.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        message = _message(record)
        said = _named_in(message)
        work = ", ".join(f"{name} {value}" for name, value in _work.get().items() if name not in said)
        source = f"{record.name} [{work}]" if work else record.name
        line = f"{_time(record)} {record.levelname} {source}: {message}"
        return "\n  ".join([line, *map(escaped, _traceback(record).splitlines())])


class JsonFormatter(logging.Formatter):
    """Writes a JSON object for each event.

    It has ``project``, ``run``, ``request`` and ``traceback`` only if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        message = _message(record)
        event = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": message,
            **_work.get(),
            **_named_in(message),
            "traceback": _traceback(record) or None,
        }
        return json.dumps({name: value for name, value in event.items() if value is not None})


class _Logger(logging.Logger):
    """A logger whose lines are written by the root logger's handler only.

    Some libraries add handlers of their own, which write in other formats, or write each line twice.
    """

    def addHandler(self, handler: logging.Handler) -> None:  # noqa: N802 - the name in logging
        if not _writes_to_terminal(handler):
            super().addHandler(handler)

    @property
    def propagate(self) -> bool:
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        """Ignore the value."""


def configure_logging(settings: Settings) -> None:
    """Log to standard error in the format of LOG_FORMAT: our lines, those of libraries, warnings, and crashes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.setLoggerClass(_Logger)
    # loggers that were made earlier
    for known in [*logging.root.manager.loggerDict.values()]:
        if isinstance(known, logging.Logger):
            known.propagate = True
            known.handlers = [each for each in known.handlers if not _writes_to_terminal(each)]
    logging.captureWarnings(True)
    _log_crashes()
    # these loggers write a line for each request to the Hub, and ten lines for each training
    for chatty in ("httpx", "httpx2", "rq.worker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def escaped(text: str) -> str:
    """Return a text on one line: characters that would break a line or control a terminal are escaped."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def _log_crashes() -> None:
    """Log exceptions that nobody catches, unless a debugger or a test runner already handles them."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_crash
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def _log_crash(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Log an exception that nobody has caught; the end of a thread by SystemExit is none."""
    if not issubclass(kind, SystemExit):
        logger.critical("stopped by an error", exc_info=(kind, error or kind(), trace))


def _writes_to_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout)


def _named_in(message: str) -> dict[str, int | str]:
    """Return the project and the run that a message names."""
    project, run = _PROJECT.search(message), _RUN.search(message)
    named: dict[str, int | str] = {"run": run[0]} if run else {}
    number = project or run
    return named | ({"project": int(number[1])} if number else {})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    return escaped(_cut(without_credentials(record.getMessage()), MAX_MESSAGE))


def _traceback(record: logging.LogRecord) -> str:
    """Return the traceback of an event; messages of exceptions are left out if they may quote a text."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    if logging.root.isEnabledFor(logging.DEBUG):
        shown = "".join(traceback.format_exception(error))
    else:
        shown = "\n\n".join(map(_without_text, _chain(error)))
    return _cut(without_credentials(shown), MAX_TRACEBACK)


def _chain(error: BaseException) -> list[BaseException]:
    """Return the exceptions that led to an exception, the first one first, and the exception itself."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.insert(0, following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return chain


def _without_text(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{without_text(error)}"


def _cut(text: str, maximum: int) -> str:
    """Return a text; if it has more than ``maximum`` characters, keep only its beginning and its end."""
    if len(text) <= maximum:
        return text
    return f"{text[: maximum // 2]} [{len(text) - maximum} characters left out] {text[-maximum // 2 :]}"
