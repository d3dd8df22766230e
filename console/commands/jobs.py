"""What commands share that make runs: the options of a job, working it here, and ringing for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import click

from config.errors import JobError
from console.asking import as_typed
from console.show import as_json, exit_code, hints, run_lines, run_summary, what_next

if TYPE_CHECKING:
    from config.limits import Limits
    from config.settings import Settings
    from console.progress import Tally
    from ingest.catalog.runs import Run
    from ingest.job import IngestJob
    from worker.queue import Bell
    from worker.service import Service

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("uris", metavar="URI...", nargs=-1, required=True),
    click.option("--connection", metavar="NAME", help="Who reads the bucket.  [default: the most specific that may]"),
    click.option(
        "--depth",
        type=click.Choice(["list", "head", "media", "content"]),
        default="head",
        show_default=True,
        help="list: what the listing says. head: also each new or changed object's headers, at one request each. media: also what it "
        "is, by its first bytes, for about the same. content: all of it is read, and its checksums are verified.",
    ),
    click.option("--exact", is_flag=True, help="Each URI is one object; nothing is listed."),
    click.option(
        "--versions",
        type=click.Choice(["current", "all"]),
        default="current",
        show_default=True,
        help="all: a record of every version and every delete marker.",
    ),
    click.option("--tags", is_flag=True, help="Also the tags of objects that have some, at one request each."),
    click.option(
        "--perceptual-hash", is_flag=True, help="Also a hash that pictures which look alike share; depth content."
    ),
    click.option(
        "--copy-to", metavar="URI", help="Copy what is new or changed below this s3://bucket/prefix/, server side."
    ),
    click.option(
        "--recheck-archived", is_flag=True, help="Look again at archived objects: they may have been restored."
    ),
    click.option("--include", metavar="GLOB", multiple=True, help="Only keys that match one of these, as in '*.jpg'."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Never keys that match one of these."),
)


def job_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def job_of(settings: Settings, connection: str | None, **fields: Any) -> IngestJob:
    """The job that the arguments describe; what is wrong with them is wrong usage."""
    from ingest.job import IngestJob

    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    try:
        payload = {"connection": connection, **lists}
        return IngestJob.read(payload, limits=settings.limits)
    except JobError as error:
        raise click.UsageError(as_typed(error.message, uris=lists["uris"], fields=lists)) from error


def say(text: str) -> None:
    click.echo(text, err=True)


def watched(tally: Tally) -> Callable[[object], None]:
    """Count what happens, and say it when the work waits for the catalog."""
    from console.progress import pause_line

    def observe(event: object) -> None:
        tally(event)
        if text := pause_line(event):
            say(text)

    return observe


async def work_and_tell(service: Service, run: Run, tally: Tally, *, as_object: bool) -> int:
    """Work a run in this process, with progress, and print what became of it. Returns the exit code."""
    from console.local import stop_on_signals, work_here
    from console.progress import progress
    from console.wrapping import say_wrapped
    from worker.interpreter import settle

    settle()
    asked = "log_level" in service.settings.model_fields_set
    told = nullcontext() if asked else _told_here(run.id)
    with progress(tally.counts, silent=as_object), stop_on_signals(say) as stop, told:
        run = await work_here(service, run, stop=stop, say=say)
    run, totals = await service.catalog.run(run.id)
    summary = run_summary(run, totals)
    for line in [as_json(summary)] if as_object else run_lines(summary, error=False):
        click.echo(line)
    for hint in hints(run.job, summary) if run.job is not None else []:
        say_wrapped(hint)
    if not run.ended:
        say(f"stopped before the end; run {run.id} goes on with the next `longshore ingest` of this workspace")
    elif run.error is not None:
        say_wrapped(f"error: {run.error}")
        for line in what_next(summary):
            say(line)
    return exit_code(run)


@contextmanager
def _told_here(run_id: str) -> Generator[None]:
    """The log does not say, too, why this run failed."""

    def another(record: logging.LogRecord) -> bool:
        said = record.msg
        return not (isinstance(said, dict) and said.get("event") == "run failed" and said.get("run") == run_id)

    logger = logging.getLogger("ingest.work")
    logger.addFilter(another)
    try:
        yield
    finally:
        logger.removeFilter(another)


async def ring_for(bell: Bell, run: Run, limits: Limits) -> None:
    """Tell the workers of a run that was just written."""
    if not await bell.ring(min(len(run.sources), limits.rings)):
        say("warning: Redis did not hear the ring; the run is written, and a worker's sweeper will find it")
