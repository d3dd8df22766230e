"""`longshore worker` serves the queue; `longshore whoami` tells who AWS thinks we are."""

from __future__ import annotations

import click

from console.commands.common import asynchronous, read_settings
from console.show import as_json


def _processes(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    from worker.cores import usable_cores
    from worker.supervisor import MOST_PROCESSES

    if value == "auto":
        return min(usable_cores(), MOST_PROCESSES)
    if not (value.isdecimal() and len(value) < 5 and 1 <= int(value) <= MOST_PROCESSES):
        raise click.BadParameter(f"{value!r} is neither a number from 1 to {MOST_PROCESSES} nor auto")
    return int(value)


@click.command(short_help="Work submitted jobs until told to stop.")
@click.option(
    "--processes",
    metavar="N|auto",
    default="1",
    callback=_processes,
    show_default=True,
    help="How many, 1 to 64, each with a metrics port of its own: LONGSHORE_METRICS_PORT, the next one, ... "
    "auto: one for each core that may be used.",
)
def worker(processes: int) -> int:
    """Work submitted jobs until SIGTERM, which finishes the batch in hand and gives the rest to other workers.

    \b
    LONGSHORE_REDIS_URL=redis://127.0.0.1:6379/0 longshore worker
    longshore worker --processes auto

    One process is the same as `arq worker.main.WorkerSettings`. Several run under a supervisor, which starts another one for
    any that dies. Metrics and /healthz are on LONGSHORE_METRICS_PORT.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from config.settings import Settings

    if processes > 1:
        from worker.supervisor import supervise

        return supervise(Settings.load(), processes=processes)
    from worker.main import run

    return run(Settings.load())


@click.command(short_help="Show our own account ID and role ARN.")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def whoami(as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show the service's own account ID and role ARN: what a customer's trust policy or bucket policy must name.

    \b
    longshore whoami
    longshore whoami --json | jq -r .role_arn
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from worker.service import open_sts

    async with open_sts(read_settings()) as sts:
        identity = await sts.identity()
    if as_object:
        click.echo(as_json({"account": identity.account, "role_arn": identity.role_arn, "arn": identity.arn}))
        return
    click.echo(f"account   {identity.account}")
    click.echo(f"role ARN  {identity.role_arn or '- (not a role: name the ARN below)'}")
    click.echo(f"ARN       {identity.arn}")
