"""`longshore runs`: what ran, how far it is, and the decisions that only a person takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from console.asking import typed
from console.commands.common import asynchronous, catalog_place, opened
from console.commands.retry import retry
from console.show import as_json, exit_code, iso, reason, run_lines, run_summary, shown, sources_of, table
from console.wrapping import echo_wrapped

if TYPE_CHECKING:
    from ingest.catalog.runs import Run, Totals
    from worker.service import Service

_WATCH_S: Final = 0.5


@click.group(invoke_without_command=True, short_help="List, show, watch, cancel, retry, decide on or verify runs.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_lines", is_flag=True, help="One object a line.")
@click.pass_context
def runs(context: click.Context, limit: int, as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """List runs, newest first; or look at one, watch it, cancel it, try it again, decide on its removals, verify it.

    \b
    longshore runs
    longshore runs show             the newest one
    longshore runs watch 20261122-101500-0a1b2c3d
    longshore runs show acme-2026-11-22         by the job ID that its producer gave it
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if context.invoked_subcommand is None:
        _list(limit, as_lines)


runs.add_command(retry)


@asynchronous
async def _list(limit: int, as_lines: bool) -> None:  # noqa: FBT001  two plain arguments of a private function
    async with opened() as service:
        found = await service.catalog.newest_runs(limit)
        place = catalog_place(service.settings.catalog_url)
    if as_lines:
        for run, totals in found:
            click.echo(as_json(run_summary(run, totals)))
        return
    if not found:
        click.echo(f"no runs yet in {shown(place)}; `longshore ingest s3://bucket` makes one")
        return
    titles = ("run", "state", "connection", "listed", "failed", "submitted", "job ID", "by", "from", "reason")
    for line in table(titles, map(_row, found)):
        click.echo(line)


def _row(found: tuple[Run, Totals]) -> tuple[str, ...]:
    run, totals = found
    sources = sources_of(run)
    more = f" +{len(sources) - 1}" if len(sources) > 1 else ""
    return (
        run.id,
        run.state,
        run.connection,
        f"{totals.listed:,}",
        f"{totals.outcomes['failed']:,}",
        (iso(run.created_at) or "")[:19],
        "-" if run.job_id is None else shown(run.job_id),
        _by(run),
        f"{sources[0]}{more}" if sources else "-",
        reason(run),
    )


def _by(run: Run) -> str:
    if run.parent_id is not None:
        return f"retry of {run.parent_id}"
    return "-" if run.schedule is None else f"schedule {run.schedule}"


async def _find(service: Service, run_id: str | None) -> tuple[Run, Totals]:
    """The run of this ID or job ID, or the newest one."""
    if run_id is not None:
        return await service.catalog.find_run(run_id)
    newest = await service.catalog.newest_runs(1)
    if not newest:
        raise click.ClickException("there are no runs yet; `longshore ingest s3://bucket` makes one")
    return newest[0]


def _print(run: Run, totals: Totals, *, as_object: bool) -> None:
    summary = run_summary(run, totals)
    if as_object:
        click.echo(as_json(summary))
        return
    for line in run_lines(summary):
        echo_wrapped(line)
    begun, ended = summary["started_at"] or "-", summary["finished_at"] or "-"
    click.echo(f"submitted {summary['submitted_at']}, begun {begun}, ended {ended}")
    options = typed(run.job)
    how = f"depth {run.job.depth if run.job else '-'}{f', with {options}' if options else ''}"
    for source in sources_of(run):
        click.echo(f"from {source} through {run.connection}, {how}")


@runs.command(short_help="Show a run: outcomes, requests, cost, certificate.")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def show(run_id: str | None, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show a run, or the newest one: what became of the objects, which requests it took, what they cost, and
    what its certificate says.

    \b
    longshore runs show
    longshore runs show 20261122-101500-0a1b2c3d --json
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        run, totals = await _find(service, run_id)
        older = await service.catalog.waits_for(run.id)
    _print(run, totals, as_object=as_object)
    if older and not as_object:
        click.echo(f"waits for {_waits(older)}")


def _waits(older: list[str]) -> str:
    more = f" and {len(older) - 1} more" if len(older) > 1 else ""
    return f"run {older[0]}{more}, older and with a place in common"


@runs.command(short_help="Follow a run until it ends.")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--json", "as_object", is_flag=True, help="Print one object at the end, and no progress.")
@asynchronous
async def watch(run_id: str | None, as_object: bool) -> int:  # noqa: FBT001  click passes by name
    """Follow a run, or the newest one, until it ends; exits like `longshore ingest`. Ctrl-C stops watching, not the run.

    \b
    longshore runs watch
    longshore runs watch acme-2026-11-22 --json
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from console.progress import progress

    async with opened() as service:
        run, totals = await _find(service, run_id)
        seen: dict[str, Any] = run_summary(run, totals)
        if older := await service.catalog.waits_for(run.id):
            click.echo(f"run {run.id} waits for {_waits(older)}", err=True)
        with progress(lambda: seen, silent=as_object):
            while not run.ended:
                await asyncio.sleep(_WATCH_S)
                run, totals = await service.catalog.run(run.id)
                seen = run_summary(run, totals)
    _print(run, totals, as_object=as_object)
    return exit_code(run)


@runs.command(short_help="End a run now; what it committed stays.")
@click.argument("run_id", metavar="RUN")
@asynchronous
async def cancel(run_id: str) -> None:
    """End a run now. What it committed stays; what a worker has in hand is dropped.

    A run that needs confirmation ends, too, and its assets stay missing until a run sees them: `longshore runs reject` keeps them.

    \b
    longshore runs cancel 20261122-101500-0a1b2c3d
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found, _ = await service.catalog.find_run(run_id)
        run = await service.catalog.cancel(found.id)
    if run.state != "cancelled":
        raise click.ClickException(f"run {run.id} is {run.state} already; there is nothing to cancel")
    click.echo(f"run {run.id} is cancelled")
