"""`longshore runs retry`: a run is tried again as a new one, where the first one was worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console.commands.common import asynchronous, opened, read_settings
from console.commands.jobs import ring_for, say, work_and_tell
from console.show import as_json

if TYPE_CHECKING:
    from config.settings import Settings
    from ingest.catalog.retrying import What
    from ingest.catalog.runs import Run


@click.command(short_help="Try a run again, or only its failed objects.")
@click.argument("run_id", metavar="RUN")
@click.option("--failed", is_flag=True, help="Only the objects that could not be read.")
@click.option("--archived", is_flag=True, help="Only the objects that were archived: they may have been restored.")
@click.option("--all", "whole", is_flag=True, help="The whole job again.")
@click.option("--json", "as_object", is_flag=True, help="Print one object, and no progress.")
@asynchronous
async def retry(run_id: str, failed: bool, archived: bool, whole: bool, as_object: bool) -> int:  # noqa: FBT001  click passes by name
    """Try a run again, as a new run that names it as its parent: the failed objects of a partial run, all of one that failed or
    was cancelled, unless you say which.

    \b
    longshore runs retry 20261122-101500-0a1b2c3d
    longshore runs retry acme-2026-11-22 --all

    --failed lists only the ranges around the objects that are failed in the catalog now, or are being restored; --archived those
    around archived ones, and looks whether they can be read by now. A run of `longshore ingest` is worked
    here and now; one that was submitted is left to the workers, and the new run's ID is printed.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if failed + archived + whole > 1:
        raise click.UsageError("one of --all, --failed and --archived")
    what: What | None = "failed" if failed else "archived" if archived else "all" if whole else None
    from console.local import ORIGIN
    from console.progress import Tally

    settings, tally = read_settings(), Tally()
    async with opened(settings, observe=tally) as service:
        parent, _ = await service.catalog.find_run(run_id)
        run = await service.retry(parent, what=what)
        if parent.origin == ORIGIN:
            say(f"run {run.id} tries run {parent.id} again")
            return await work_and_tell(service, run, tally, as_object=as_object)
    await _ring(settings, run)
    click.echo(as_json({"run": run.id}) if as_object else run.id)
    return 0


async def _ring(settings: Settings, run: Run) -> None:
    from worker.queue import open_bell

    async with open_bell(settings) as bell:
        await ring_for(bell, run, settings.limits)
