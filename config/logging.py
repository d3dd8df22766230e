"""One chain for every log line, ours and the libraries': structlog over stdlib logging, with the secrets taken out."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.redaction import redact, redact_value

__all__ = ["configure_logging", "redact"]

_CHATTY: Final = ("botocore", "aiobotocore", "aiohttp.client", "urllib3", "boto3")
"""Loggers that print whole requests and answers at DEBUG, sessions of STS among them."""
_CHATTY_AT_INFO: Final = ("alembic",)
"""Loggers that say at INFO what is of no use to an operator."""
_CHATTY_UNLESS_DEBUG: Final = ("arq.worker", "botocore.credentials", "aiobotocore.credentials")
"""The same, but of use to who looks for a fault: arq has two lines for each job, and ours say more."""
_OWN_HANDLERS: Final = ("arq",)
"""Loggers whose programs give them a handler of their own; the line would appear twice."""
_ARQ_CALL: Final = re.compile(r"(→ [^\s(]+)\(.*", re.DOTALL)


class _Redacted(dict[str, Any]):
    """An event that has been through redaction already."""


def configure_logging(*, level: str, format: str, stream: TextIO | None = None) -> None:  # noqa: A002  the setting's name
    """Send every log line to `stream` (stderr if None), redacted. May be called again: the last call counts.

    `level` is DEBUG, INFO, WARNING or ERROR; `format` is json, console, or auto (console on a terminal, else JSON).
    Every record is redacted when it is made, so that a handler of somebody else's can't leak either. The traceback of an
    error that ends the process is a line like others.
    """
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(_renderer(format, on_terminal=on_terminal)))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    for name in _CHATTY_AT_INFO:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _CHATTY_UNLESS_DEBUG:
        logging.getLogger(name).setLevel(
            logging.NOTSET if root.level <= logging.DEBUG else max(logging.WARNING, root.level)
        )
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    _redact_records()
    sys.excepthook = _log_uncaught


def _shared() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(renderer: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            *_shared(),
            structlog.processors.format_exc_info,
            _redact_event,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _renderer(format: str, *, on_terminal: bool) -> Processor:  # noqa: A002  the setting's name
    if format == "console" or (format == "auto" and on_terminal):
        return structlog.dev.ConsoleRenderer(
            colors=on_terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    return structlog.processors.JSONRenderer()


_META: Final = ("_record", "_from_structlog")
"""What ProcessorFormatter keeps in an event while it works on it."""


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    meta = {name: event.pop(name) for name in _META if name in event}
    return _Redacted({name: redact_value(value, name=name) for name, value in event.items()} | meta)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("longshore").critical("ended by an error that nobody expected", exc_info=(kind, error, trace))


def _redact_records() -> None:
    """Wrap the factory of log records, once: it is the one place that every record of every logger passes."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _RedactingFactory):
        logging.setLogRecordFactory(_RedactingFactory(factory))


class _RedactingFactory:
    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        if isinstance(record.msg, _Redacted) or not record.name:
            return record
        message = _message(record)
        clean = redact(message)
        if record.name.startswith("arq"):
            clean = _ARQ_CALL.sub(r"\1(…)", clean)  # a job's arguments are its producer's business, and arq cuts them
        if clean != message:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return record


def _message(record: logging.LogRecord) -> str:
    """The message with its arguments; neither a wrong number of them nor one that can't be printed must end the caller."""
    try:
        if isinstance(record.msg, dict) and not record.args:
            return str(redact_value(record.msg))
        return record.getMessage()
    except Exception:  # noqa: BLE001  whatever the __str__ of a library's object raises
        record.msg, record.args = f"{_shown(record.msg)} {_shown(record.args)}", None
        return str(record.msg)


def _shown(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  as above
        return f"({type(value).__name__} that can't be shown)"
