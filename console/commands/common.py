"""What the commands share: settings, logging, an open service, and running a coroutine as a command."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from config.settings import Settings
from console.wrapping import say_wrapped

if TYPE_CHECKING:
    from worker.service import ObserveAll, Service

P = ParamSpec("P")
T = TypeVar("T")


def asynchronous(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Let click call a coroutine function."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(command(*args, **kwargs))

    return call


def read_settings(*, quiet: bool = True) -> Settings:
    """Read the environment and send log lines to stderr: warnings only if `quiet`, unless LONGSHORE_LOG_LEVEL says otherwise.

    A variable that looks like one of ours and that nothing reads is warned of.
    """
    from config.logging import configure_logging

    settings = Settings.load()
    for stray in Settings.strays():
        say_wrapped(f"warning: {stray}")
    asked = "log_level" in settings.model_fields_set
    level = settings.log_level if asked or not quiet else "WARNING"
    configure_logging(level=level, format=settings.log_format)
    return settings


@asynccontextmanager
async def opened(settings: Settings | None = None, *, observe: ObserveAll | None = None) -> AsyncGenerator[Service]:
    """longshore, put together from the environment. Raises SettingsError or CatalogError."""
    settings = settings or read_settings()
    from worker.service import open_service

    async with open_service(settings, observe=observe or _look_away) as service:
        yield service


def catalog_place(url: str) -> str:
    """Which catalog that is, without user and password."""
    if url.lower().startswith("sqlite"):
        return url.partition(":///")[2].partition("?")[0]
    from config.pointing import place

    return f"PostgreSQL at {at}" if (at := place(url)) else "PostgreSQL"


def _look_away(_event: object) -> None:
    """An observer for commands that only read."""


def actor() -> str:
    """Who is written into the audit: the user of this machine."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli"
