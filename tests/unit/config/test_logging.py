"""Every line of every logger goes through one chain, and none of them leaks."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import sys
from collections.abc import Iterator

import pytest
import structlog
from arq.logs import default_log_config

from config.logging import configure_logging
from config.redaction import HIDDEN

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
ANSWER = (
    f"<AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>IQoJx</SessionToken>"
)
FOREIGN = (
    "botocore.parsers",
    "aiobotocore.endpoint",
    "aiohttp.client",
    "arq.worker",
    "urllib3.connectionpool",
    "asyncio",
    "any",
)
CHANGED = (
    "",
    "botocore",
    "aiobotocore",
    "aiohttp.client",
    "urllib3",
    "boto3",
    "alembic",
    "arq",
    "arq.worker",
    "botocore.credentials",
    "aiobotocore.credentials",
)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    loggers = [logging.getLogger(name) for name in CHANGED]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    yield
    sys.excepthook = hook
    logging.setLogRecordFactory(factory)
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level="DEBUG", format="json", stream=stream)
    return stream


def _lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def _fail(message: str) -> None:
    raise ValueError(message)


def test_our_lines_are_json_with_time_level_logger_and_fields(out: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(run="r1"):
        structlog.get_logger("worker.tasks").info("run done", listed=3, names=("a", "b"))
    (line,) = _lines(out)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "run done",
        "level": "info",
        "logger": "worker.tasks",
        "run": "r1",
        "listed": 3,
        "names": ["a", "b"],
    }


def test_lines_of_libraries_go_through_the_same_chain(out: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(process=2):
        logging.getLogger("some.library").warning("%d of %s", 3, "four")
    (line,) = _lines(out)
    assert (line["event"], line["level"], line["logger"]) == ("3 of four", "warning", "some.library")
    assert line["process"] == 2


def test_secrets_are_hidden_in_our_lines_at_any_depth(out: io.StringIO) -> None:
    log = structlog.get_logger("x")
    log.info(
        "opened %s", f"redis://user:{SECRET}@host", request={"headers": [{"Authorization": SECRET}]}, sealed=SECRET
    )
    log.bind(token=SECRET).debug("bound", access_key_id=KEY_ID)
    built = f"password={SECRET}"
    log.info(built)
    assert SECRET not in out.getvalue()
    assert KEY_ID not in out.getvalue()
    assert _lines(out)[1]["access_key_id"] == "…MPLE"


@pytest.mark.parametrize("name", FOREIGN)
def test_secrets_are_hidden_in_lines_of_libraries(out: io.StringIO, name: str) -> None:
    log = logging.getLogger(name)
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        log.log(level, "answer: %s", ANSWER)
        log.log(level, "with %r", {"SessionToken": SECRET})
        log.log(level, {"secret_access_key": SECRET, "url": f"https://u:{SECRET}@h"})
    assert _lines(out)
    assert SECRET not in out.getvalue()
    assert KEY_ID not in out.getvalue()


@pytest.mark.parametrize("name", ["ours", "botocore.endpoint", "arq.worker"])
@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_lose_their_secrets(name: str, style: str) -> None:
    out = io.StringIO()
    configure_logging(level="DEBUG", format=style, stream=out)
    log = structlog.get_logger(name) if name == "ours" else logging.getLogger(name)
    try:
        try:
            _fail(f"secret_access_key={SECRET}")
        except ValueError as error:
            error.add_note(f"token: {SECRET}")
            raise RuntimeError(f"keys {KEY_ID} {SECRET}") from error
    except RuntimeError:
        log.exception("it failed")
    assert "RuntimeError: keys" in out.getvalue()
    assert "Traceback" in out.getvalue()
    assert SECRET not in out.getvalue()
    assert KEY_ID not in out.getvalue()


@pytest.mark.parametrize(
    "name", ["botocore", "botocore.parsers", "aiobotocore", "aiohttp.client", "urllib3.connectionpool"]
)
def test_libraries_that_print_whole_requests_never_log_at_debug(out: io.StringIO, name: str) -> None:
    logging.getLogger(name).debug("the whole request")
    assert not out.getvalue()
    assert logging.getLogger("any.other").isEnabledFor(logging.DEBUG)


def test_a_quiet_service_keeps_its_libraries_quiet() -> None:
    out = io.StringIO()
    configure_logging(level="ERROR", format="json", stream=out)
    logging.getLogger("botocore").warning("not heard")
    structlog.get_logger("x").warning("not heard")
    structlog.get_logger("x").error("heard")
    assert [line["event"] for line in _lines(out)] == ["heard"]


def test_a_jobs_arguments_stay_out_of_arqs_lines(out: io.StringIO) -> None:
    """arq cuts them, so a secret may have lost the name that would give it away."""
    logging.getLogger("arq.worker").info("%6.2fs → %s(%s)%s", 0.1, "abc:ingest", "{'options': {'note': 'hunter2…", "")
    assert [line["event"] for line in _lines(out)] == ["  0.10s → abc:ingest(…)"]


def test_a_handler_of_somebody_elses_leaks_nothing_either(out: io.StringIO) -> None:
    """arq's command line gives its logger a handler; it runs before or after ours."""
    theirs = io.StringIO()
    logging.config.dictConfig(default_log_config(verbose=True))
    (handler,) = logging.getLogger("arq").handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(theirs)
    log = logging.getLogger("arq.worker")
    log.info("%6.2fs → %s(%s)%s", 0.1, "abc:ingest", "'hunter2'", "")
    try:
        _fail(f"password={SECRET}")
    except ValueError:
        log.exception("job failed, %s", f"redis://:{SECRET}@host")
    assert "job failed" in theirs.getvalue()
    assert "ValueError" in theirs.getvalue()
    for stream in (out, theirs):
        assert "hunter2" not in stream.getvalue()
        assert SECRET not in stream.getvalue()


def test_configuring_again_doubles_no_line_and_the_last_call_counts(out: io.StringIO) -> None:
    logging.config.dictConfig(default_log_config(verbose=True))
    last = io.StringIO()
    for _ in range(3):
        configure_logging(level="INFO", format="json", stream=last)
    structlog.get_logger("x").info("once")
    logging.getLogger("arq.worker").warning("once")
    structlog.get_logger("x").debug("never")
    assert not out.getvalue()
    assert [line["event"] for line in _lines(last)] == ["once", "once"]


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, is_json in ((Terminal(), False), (io.StringIO(), True)):
        configure_logging(level="INFO", format="auto", stream=stream)
        structlog.get_logger("x").info("event", secret=SECRET)
        assert stream.getvalue().startswith("{") is is_json
        assert HIDDEN in stream.getvalue()


def test_a_line_with_the_wrong_number_of_arguments_harms_nobody(out: io.StringIO) -> None:
    logging.getLogger("x").info("%s and %s", f"token={SECRET}")  # noqa: PLE1206 - the point of the test
    logging.getLogger("x").info("%(a)s", "b")
    assert len(_lines(out)) == 2
    assert SECRET not in out.getvalue()


def test_the_default_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", format="json")
    structlog.get_logger("x").info("hello")
    captured = capsys.readouterr()
    assert "hello" in captured.err
    assert not captured.out


@pytest.mark.parametrize("name", ["arq.worker", "botocore.credentials", "aiobotocore.credentials"])
def test_lines_of_libraries_about_each_job_and_session_are_for_who_looks_for_a_fault(
    out: io.StringIO, name: str
) -> None:
    library = logging.getLogger(name)
    library.info("at DEBUG")
    configure_logging(level="INFO", format="json", stream=out)
    library.info("at INFO")
    library.warning("something is wrong")
    assert [line["event"] for line in _lines(out)] == ["at DEBUG", "something is wrong"]


def test_migrations_say_nothing_that_is_of_no_use_to_an_operator(out: io.StringIO) -> None:
    configure_logging(level="INFO", format="json", stream=out)
    migration = logging.getLogger("alembic.runtime.migration")
    migration.info("Context impl SQLiteImpl.")
    migration.warning("something is wrong")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["something is wrong"]
