"""`longshore ingest` works a job here and now; `longshore submit` writes it down and rings for a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from config.errors import JobError
from console.commands.common import asynchronous, opened, read_settings
from console.show import as_json, exit_code, hints, run_lines, run_summary

if TYPE_CHECKING:
    from config.settings import Settings
    from ingest.job import IngestJob

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("uris", metavar="URI...", nargs=-1, required=True),
    click.option("--connection", metavar="NAME", help="Who reads the bucket.  [default: the built-in connection]"),
    click.option(
        "--depth",
        type=click.Choice(["list", "head"]),
        default="head",
        show_default=True,
        help="list: what the listing says. head: also each new or changed object's headers, at one request each.",
    ),
    click.option("--include", metavar="GLOB", multiple=True, help="Only keys that match one of these, as in '*.jpg'."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Never keys that match one of these."),
)


def _job_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _job(settings: Settings, connection: str | None, **fields: Any) -> IngestJob:
    """The job that the arguments describe; what is wrong with them is wrong usage."""
    from ingest.job import IngestJob

    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    try:
        payload = {"connection": connection or settings.default_connection, **lists}
        return IngestJob.read(payload, limits=settings.limits)
    except JobError as error:
        raise click.UsageError(error.message) from error


def _say(text: str) -> None:
    click.echo(text, err=True)


@click.command(short_help="Ingest buckets here and now; needs no Redis.")
@_job_options
@click.option("--json", "as_object", is_flag=True, help="Print one object, and no progress.")
@asynchronous
async def ingest(connection: str | None, as_object: bool, **fields: Any) -> int:  # noqa: FBT001  click passes by name
    """Ingest everything below each URI, in this process; no Redis is needed.

    \b
    longshore ingest s3://my-bucket
    longshore ingest s3://acme-photos/2026/ --connection acme --include '*.jpg' --json

    A prefix is a string and not a folder, as with S3 itself: end it with / if you mean a folder. What an earlier `longshore
    ingest` left unfinished goes on first. Ctrl-C finishes what is in hand; `longshore ingest` again goes on from there.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from console.local import ingest_here, stop_on_signals
    from console.progress import Tally, progress
    from worker.interpreter import settle

    settings = read_settings()
    job, tally = _job(settings, connection, **fields), Tally()
    async with opened(settings, observe=tally) as service:
        settle()
        with progress(tally.counts, silent=as_object), stop_on_signals(_say) as stop:
            run = await ingest_here(service, job, stop=stop, say=_say)
        run, totals = await service.catalog.run(run.id)
    summary = run_summary(run, totals)
    for line in [as_json(summary)] if as_object else run_lines(summary):
        click.echo(line)
    for hint in hints(job, summary):
        _say(hint)
    if not run.ended:
        _say(f"stopped before the end; run {run.id} goes on with the next `longshore ingest` of this workspace")
    elif run.error is not None:
        _say(f"error: {run.error}")
    return exit_code(run)


@click.command(short_help="Write a job down for the workers.")
@_job_options
@click.option("--json", "as_object", is_flag=True, help="Print one object: the run's ID by its name.")
@asynchronous
async def submit(connection: str | None, as_object: bool, **fields: Any) -> None:  # noqa: FBT001  click passes by name
    """Write a job down for the workers and print its run ID; takes the same arguments as ingest.

    \b
    run=$(longshore submit s3://acme-photos/2026/ --connection acme)
    longshore runs watch $run

    The run is in the catalog before anything rings: if Redis is down, a worker's sweeper finds it.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from worker.queue import open_bell

    settings = read_settings()
    job = _job(settings, connection, **fields)
    # The bell first: an address that can't be used is told before anything is written.
    async with open_bell(settings) as bell, opened(settings) as service:
        run, _ = await service.submit(job, origin="queue")
        click.echo(as_json({"run": run.id}) if as_object else run.id)
        if not await bell.ring(min(len(run.sources), settings.limits.rings)):
            _say("warning: Redis did not hear the ring; the run is written, and a worker's sweeper will find it")
