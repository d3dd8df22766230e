"""`longshore worker` serves the queue; `longshore whoami` tells who AWS thinks we are."""

from __future__ import annotations

import click

from console.commands.common import asynchronous, read_settings
from console.show import as_json


@click.command(short_help="Work submitted jobs until told to stop.")
def worker() -> int:
    """Work submitted jobs until SIGTERM, which finishes the batch in hand and gives the rest to other workers.

    \b
    LONGSHORE_REDIS_URL=redis://127.0.0.1:6379/0 longshore worker

    The same as `arq worker.main.WorkerSettings`. Metrics and /healthz are on LONGSHORE_METRICS_PORT.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from config.settings import Settings
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
