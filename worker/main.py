"""The worker process, for `arq worker.main.WorkerSettings` and for `longshore worker`: hides when arq would die or wait for ever."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import structlog
import uvloop
from arq.worker import Worker, func
from redis.exceptions import AuthenticationError

from config.errors import LongshoreError, QueueUnavailableError, SettingsError
from config.logging import configure_logging
from config.settings import Settings
from worker.interpreter import settle
from worker.lifeline import Lifeline
from worker.patience import AWAY, Patience, connection_pool
from worker.poison import ProofRedis
from worker.process import open_process
from worker.queue import INGEST, WORK, dumps, loads
from worker.service import worker_name
from worker.tasks import CONTEXT, JOB_S, Context, ingest, work

log = structlog.get_logger(__name__)

_START_S = 5.0
"""How long `arq` waits for Redis at first, and at the end; in between, for as long as it takes."""
_RESTART_FIRST_S = 0.5
_RESTART_MOST_S = 30.0
_STEADY_S = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def __getattr__(name: str) -> Any:
    """`WorkerSettings` is made from the environment when arq asks for it: importing this module reads and opens nothing."""
    if name != "WorkerSettings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return worker_settings(Settings.load())
    except SettingsError as error:
        sys.exit(f"longshore: {error.message}")


def worker_settings(settings: Settings) -> type:
    """The class that the `arq` command takes. arq reads the class's own attributes and no inherited ones.

    `arq --burst` is of no use here: it ends when the queue is empty, which says nothing of the catalog; `longshore ingest` works
    a job to its end without a queue.
    """
    patience = Patience(seconds=_START_S)
    hooks = Hooks(settings, patience)
    attributes = _options(settings, patience) | {"on_startup": hooks.startup, "on_shutdown": hooks.shutdown}
    return type("WorkerSettings", (), attributes)


def _options(settings: Settings, patience: Patience) -> dict[str, Any]:
    """Parameters of arq.Worker. Jobs are short, since slices are no jobs: see `worker.slots`."""
    read = partial(loads, most=settings.limits.job_bytes)
    redis = ProofRedis(
        connection_pool(settings.redis_url, retry=patience),
        job_serializer=dumps,
        job_deserializer=read,
        default_queue_name=settings.queue,
    )
    return {
        "functions": [
            func(ingest, name=INGEST, keep_result=60),  # type: ignore[arg-type]  # arq passes ctx by position only
            func(work, name=WORK, keep_result=0),  # type: ignore[arg-type]  # the same
        ],
        "redis_pool": redis,
        "queue_name": settings.queue,
        "job_serializer": dumps,
        "job_deserializer": read,
        "poll_delay": 0.2,
        "max_jobs": 16,
        "job_timeout": 2 * JOB_S,  # a job whose worker was killed runs elsewhere 10 s after this
        "max_tries": 1_000_000_000,  # arq counts every start and drops a job silently at the last
        "keep_result": 60,
        "queue_read_limit": 1000,
        "allow_abort_jobs": False,
        "job_completion_wait": 5,  # a job that arq cancels in the midst of a Redis call ends arq in disorder
        "health_check_interval": 15,
        "health_check_key": f"{settings.queue}:health:{worker_name()}",  # arq's own is shared, and one worker's end deletes it
    }


class Hooks:
    """Opens the process when arq starts and closes it when arq's loop ends, for whatever reason: arq itself may not come to it."""

    def __init__(self, settings: Settings, patience: Patience) -> None:
        self._settings, self._patience = settings, patience
        self._stack = AsyncExitStack()
        self._closing: asyncio.Task[None] | None = None

    async def startup(self, ctx: dict[str, Any]) -> None:
        """Raises SystemExit with the reason when the process can't be built."""
        configure_logging(level=self._settings.log_level, format=self._settings.log_format)  # arq set up its own before
        _warn_of_strays()
        try:
            process = open_process(self._settings, redis_up=lambda: self._patience.reachable)
            context = await self._stack.enter_async_context(process)
        except LongshoreError as error:
            sys.exit(f"longshore: {error.message}")
        ctx[CONTEXT] = context
        settle()
        self._patience.without_end()
        main = asyncio.current_task()  # arq awaits this hook in the task of its main loop
        assert main is not None
        main.add_done_callback(lambda _main: self._begin_closing(context))

    async def shutdown(self, _ctx: dict[str, Any]) -> None:
        """Wait until everything is closed."""
        if self._closing is not None:
            await self._closing

    def _begin_closing(self, context: Context) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not on every system, nor on every thread
                loop.add_signal_handler(number, context.slots.cancel)
        self._closing = loop.create_task(self._close())

    async def _close(self) -> None:
        try:
            await self._stack.aclose()
        finally:
            self._patience.end()  # arq says good-bye to Redis last, and must not wait for one that is away


async def run_worker(settings: Settings, *, lifeline: Lifeline | None = None) -> None:
    """Work until SIGTERM or SIGINT; a second one does not wait for what is in flight. Under a supervisor, at the other end of
    `lifeline`, only a SIGINT counts as second, since SIGTERM may come both from there and from who tells the supervisor.

    Redis may come and go, and arq with it: slices go on. Raises SettingsError, CatalogError, or QueueUnavailableError when Redis
    refuses the password.
    """
    stop = asyncio.Event()
    patience = Patience(seconds=float("inf"))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:  # building the process takes a moment, and it may be told to stop meanwhile
        loop.add_signal_handler(number, stop.set)
    if lifeline is not None:
        lifeline.watch(settings.limits)
    hurrying = _SIGNALS if lifeline is None else (signal.SIGINT,)
    async with open_process(settings, redis_up=lambda: patience.reachable) as context:
        settle()

        def asked_to_stop(number: signal.Signals) -> None:
            if stop.is_set() and number in hurrying:
                context.slots.cancel()
            stop.set()
            context.slots.stop()
            patience.end()

        for number in _SIGNALS:
            loop.add_signal_handler(number, asked_to_stop, number)
        pause_s = _RESTART_FIRST_S
        while not stop.is_set():
            began = time.monotonic()
            await _arq(_options(settings, patience), context, stop)
            if time.monotonic() - began > _STEADY_S:
                pause_s = _RESTART_FIRST_S
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(_RESTART_MOST_S, 2 * pause_s)


def run(settings: Settings, *, lifeline: Lifeline | None = None) -> int:
    """`run_worker` in a loop of its own. Returns the exit code: 0, since it was told to stop."""
    configure_logging(level=settings.log_level, format=settings.log_format)
    if lifeline is None:  # a supervisor warns once for all
        _warn_of_strays()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings, lifeline=lifeline))
    return 0


async def _arq(options: dict[str, Any], context: Context, stop: asyncio.Event) -> None:
    """One life of an arq worker: until `stop`, or until something kills it, which is logged."""
    worker = Worker(ctx={CONTEXT: context}, handle_signals=False, **options)
    living, stopped = asyncio.create_task(worker.async_run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({living, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            living.cancel()
        await living
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    except AuthenticationError as error:
        raise QueueUnavailableError(
            f"Redis refuses us: {error}; check the user and the password in LONGSHORE_REDIS_URL", code="Redis"
        ) from error
    except Exception as error:
        log.exception("arq's worker died; starting another", reason=f"{type(error).__name__}: {error}")
    finally:
        stopped.cancel()
        living.cancel()
        with suppress(*AWAY, asyncio.CancelledError):  # arq raises here what its jobs ended with
            await worker.close()
        await options["redis_pool"].aclose(close_connection_pool=True)


def _warn_of_strays() -> None:
    for stray in Settings.strays():
        log.warning(stray)
