"""`longshore runs confirm` and `reject` decide on what a run found missing; `verify` looks at what it left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from console.commands.common import asynchronous, opened
from console.show import as_json, certificate_lines, counted, exit_code

if TYPE_CHECKING:
    from ingest.catalog.closings import Closings
    from ingest.catalog.runs import Run
    from ingest.verifying import Verified


def _say(text: str) -> None:
    click.echo(text, err=True)


async def _decide(run_id: str, verb: str, decide: Callable[[Closings, str], Awaitable[Run]]) -> int:
    """Write the decision down, then work the run to its end here, so that it needs no worker."""
    from console.local import finish_here, stop_on_signals

    async with opened() as service:
        before, _ = await service.catalog.find_run(run_id)
        if before.state != "needs_confirmation":
            raise click.ClickException(f"run {before.id} is {before.state}; there is nothing to {verb}")
        await decide(service.catalog.closings, before.id)
        with stop_on_signals(_say) as stop:
            run = await finish_here(service, before.id, stop=stop, say=_say)
        _, totals = await service.catalog.run(run.id)
    if run.decision == "rejected":
        what = f"{totals.missing:,} that were missing are kept"
    else:
        what = f"{totals.removed:,} removed of {totals.missing:,} that were missing"
    click.echo(f"run {run.id} is {run.state}: {what}")
    if not run.ended:
        _say("stopped before the end; any worker goes on with it, and so does the next `longshore ingest`")
    elif run.error is not None:
        _say(f"{run.error_code}: {run.error}")
    return exit_code(run)


@click.command(short_help="Remove what a run found missing.")
@click.argument("run_id", metavar="RUN")
@asynchronous
async def confirm(run_id: str) -> int:
    """Remove what a run found missing, after it stopped to ask because it was so much; exits like `longshore ingest`.

    What a later run has looked at since is that run's to remove.

    \b
    longshore runs confirm 20261122-101500-0a1b2c3d
    """  # noqa: D301  \b is for click, which keeps the lines below it
    return await _decide(run_id, "confirm", lambda closings, run: closings.confirm(run))


@click.command(short_help="Keep what a run found missing.")
@click.argument("run_id", metavar="RUN")
@asynchronous
async def reject(run_id: str) -> int:
    """Keep what a run found missing: its assets are as they were before, and the run ends; exits like `longshore ingest`.

    The next run compares again, and asks again if they are still not there.

    \b
    longshore runs reject 20261122-101500-0a1b2c3d
    """  # noqa: D301  \b is for click, which keeps the lines below it
    return await _decide(run_id, "reject", lambda closings, run: closings.reject(run))


@click.command(short_help="Recount what a run left in the catalog.")
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def verify(run_id: str, as_object: bool) -> int:  # noqa: FBT001  click passes by name
    """Make a run's certificate anew from the catalog as it is now, and say what differs; exits 1 if it does not hold,
    or nothing is left to verify.

    Reads only, and asks the bucket for nothing. What a later run has listed again, or a purge took away, can't be told any more;
    it says so, and verifies the rest.

    \b
    longshore runs verify 20261122-101500-0a1b2c3d
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from ingest.verifying import verified

    async with opened() as service:
        run, totals = await service.catalog.find_run(run_id)
        found = await verified(service.catalog.closings, run, totals)
    if as_object:
        named = {"run": run.id, "state": run.state, "whole": found.whole, "spans_purged": found.spans_purged}
        click.echo(as_json({**named, **asdict(found.certificate), "holds": found.holds}))
    else:
        for line in _verified_lines(run, found):
            click.echo(line)
    return 0 if found.holds else 1


def _verified_lines(run: Run, found: Verified) -> list[str]:
    from ingest.catalog.runs import REFUTED

    if found.spans_purged:
        kept = "" if run.certificate is None else "; what was found when it ended is in `longshore runs show`"
        return [f"run {run.id} can't be verified any more: its spans were purged{kept}"]
    if found.superseded:
        spans = counted(found.certificate.spans, "span")
        return [
            f"nothing is left to verify: a later run listed all of run {run.id} again, {spans}, and holds its rows now"
        ]
    now = {**asdict(found.certificate), "holds": found.certificate.holds}
    if found.certificate.holds:
        said = f"run {run.id} holds"
    else:
        said = f"run {run.id} does not hold; run again, and once more if that ends with {REFUTED}: then every row is compared"
    lines = [said, *certificate_lines(now, whole=found.whole)]
    return lines if found.whole else [*lines, "the run ended before all was listed; what it committed was looked at"]
