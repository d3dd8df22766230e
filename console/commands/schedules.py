"""`longshore schedules`: jobs that come again, by a cron line; any worker makes their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from config.errors import ScheduleError
from console.asking import in_words_of_options, typed
from console.commands.common import asynchronous, opened, read_settings
from console.commands.jobs import job_of, job_options, ring_for, say
from console.show import as_json, iso, reason, shown, table, told

if TYPE_CHECKING:
    from ingest.catalog.runs import Run
    from ingest.catalog.schedules import Schedule
    from ingest.cron import Cron


@click.group(short_help="Run jobs again and again: add, list, pause, resume, remove.")
def schedules() -> None:
    """Manage schedules: jobs that come again, whose runs any running worker makes when they are due.

    \b
    longshore schedules add nightly --cron '30 2 * * *' --timezone Europe/Berlin s3://acme-photos --connection acme
    longshore schedules list
    """  # noqa: D301  \b is for click, which keeps the lines below it


def _cron(text: str, timezone: str) -> Cron:
    from ingest.cron import Cron

    try:
        return Cron.read(text, timezone)
    except ScheduleError as error:
        raise click.UsageError(error.message) from error


@schedules.command(short_help="Add a schedule; takes the same arguments as ingest.")
@click.argument("name")
@click.option(
    "--cron",
    required=True,
    metavar="LINE",
    help="Five fields in quotes: minute, hour, day of the month, month, day of the week.",
)
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Whose clock that is.")
@job_options
@asynchronous
async def add(name: str, cron: str, timezone: str, connection: str | None, **fields: Any) -> None:
    """Add a schedule. Its job is checked against its connection now, and again whenever it is due.

    \b
    longshore schedules add hourly --cron '0 * * * *' s3://acme-photos/2026/ --connection acme
    longshore schedules add workdays --cron '30 6 * * MON-FRI' --timezone Europe/Berlin s3://acme-docs --depth list

    There is no second run while one of the schedule still waits to be begun. Times that pass while no worker runs are made up for by
    one run. A time that the clock leaves out in spring comes when the gap ends; one that it shows twice comes once.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    settings = read_settings()
    job, when = job_of(settings, connection, **fields), _cron(cron, timezone)
    async with opened(settings) as service:
        with in_words_of_options():
            schedule = await service.schedule(name, job, when)
    click.echo(f"schedule {schedule.name} is due next at {iso(schedule.due_at)}")


def _record(schedule: Schedule, run: Run | None) -> dict[str, Any]:
    return {
        "schedule": schedule.name,
        "cron": schedule.cron.text,
        "timezone": schedule.cron.timezone,
        "paused": schedule.paused,
        "next": None if schedule.paused else iso(schedule.due_at),
        "missed": schedule.missed,
        "run": schedule.last_run_id,
        "state": None if run is None else run.state,
        "error_code": None if run is None else run.error_code,
        "error": None if run is None else run.error,
        "connection": schedule.connection,
        "job": None if schedule.job is None else schedule.job.model_dump(mode="json", exclude={"connection"}),
        "created": iso(schedule.created_at),
    }


@schedules.command("list", short_help="List schedules: when they are due, what became of the last run.")
@click.option("--json", "as_lines", is_flag=True, help="One object a line.")
@asynchronous
async def list_(as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """List schedules by name: when they are due next, their last run, and times that got no run of their own.

    \b
    longshore schedules list
    longshore schedules list --json | jq -r 'select(.missed > 0).schedule'
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found = await service.schedules.all()
    if as_lines:
        for schedule, run in found:
            click.echo(as_json(_record(schedule, run)))
        return
    if not found:
        click.echo("no schedules yet; `longshore schedules add NAME --cron '0 * * * *' s3://bucket` makes one")
        return
    titles = (
        "schedule",
        "cron",
        "timezone",
        "next",
        "missed",
        "last run",
        "state",
        "connection",
        "from",
        "with",
        "reason",
    )
    for line in table(titles, (_row(schedule, run) for schedule, run in found)):
        click.echo(line)


def _row(schedule: Schedule, run: Run | None) -> tuple[str, ...]:
    uris = [] if schedule.job is None else schedule.job.uris
    more = f" +{len(uris) - 1}" if len(uris) > 1 else ""
    return (
        schedule.name,
        schedule.cron.text,
        schedule.cron.timezone,
        "paused" if schedule.paused else (iso(schedule.due_at) or "")[:19],
        f"{schedule.missed:,}",
        schedule.last_run_id or "-",
        "-" if run is None else run.state,
        schedule.connection,
        f"{shown(uris[0])}{more}" if uris else "-",
        typed(schedule.job, depth=True) or "-",
        "-" if run is None else reason(run),
    )


@schedules.command(short_help="Show a schedule and its job.")
@click.argument("name")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def show(name: str, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show a schedule: when it is due, its job, its last run and why that failed, if it did.

    \b
    longshore schedules show nightly
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        record = _record(*await service.schedules.get(name))
    if as_object:
        click.echo(as_json(record))
        return
    job = record.pop("job") or {}
    for title, value in {**record, **job}.items():
        click.echo(f"{title:<12} {told(value)}")


@schedules.command(short_help="Make no runs until it is resumed.")
@click.argument("name")
@asynchronous
async def pause(name: str) -> None:
    """Pause a schedule; a run that it made goes on.

    \b
    longshore schedules pause nightly
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        schedule = await service.schedules.pause(name)
    click.echo(f"schedule {schedule.name} is paused")


@schedules.command(short_help="Make runs again, from the next time on.")
@click.argument("name")
@asynchronous
async def resume(name: str) -> None:
    """Resume a schedule at its next time; times that passed while it was paused are not made up for.

    \b
    longshore schedules resume nightly
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        schedule = await service.schedules.resume(name)
    click.echo(f"schedule {schedule.name} is due next at {iso(schedule.due_at)}")


@schedules.command(short_help="Remove a schedule; its runs stay.")
@click.argument("name")
@asynchronous
async def remove(name: str) -> None:
    """Remove a schedule. The runs that it made stay, and go on.

    \b
    longshore schedules remove nightly
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        await service.schedules.remove(name)
    click.echo(f"schedule {name} is removed")


@schedules.command(short_help="Make a run now, whatever the time is.")
@click.argument("name")
@click.option("--json", "as_object", is_flag=True, help="Print one object: the run's ID by its name.")
@asynchronous
async def run(name: str, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Make a run of a schedule now, paused or not, and print its ID. If its last one still waits, that is the run.

    \b
    longshore runs watch $(longshore schedules run nightly)
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from worker.queue import open_bell

    settings = read_settings()
    async with open_bell(settings) as bell, opened(settings) as service:
        fired = await service.fire_now(name)
        click.echo(as_json({"run": fired.run.id}) if as_object else fired.run.id)
        if not fired.new:
            say(f"run {fired.run.id} of this schedule still waits to be begun; there is no second one beside it")
        await ring_for(bell, fired.run, settings.limits)
