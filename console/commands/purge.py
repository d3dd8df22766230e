"""`longshore purge`: what was kept for long enough goes; and, if asked, all that a removed connection left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from console.commands.common import actor, asynchronous, opened
from console.show import as_json, iso

if TYPE_CHECKING:
    from credentials.tombstones import Tombstone
    from ingest.catalog.purging import Gone
    from worker.service import Service


@click.command(short_help="Delete what was kept for long enough.")
@click.option("--connection", metavar="NAME", help="Instead, all records and runs that this removed connection left.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="With --connection: do not ask.")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def purge(connection: str | None, dry_run: bool, yes: bool, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Delete what was kept for long enough: spans, records of removed assets, runs. Workers do so by themselves every hour.

    \b
    longshore purge --dry-run
    LONGSHORE_LIMITS__KEEP_REMOVED_DAYS=30 longshore purge
    longshore purge --connection acme

    How long is set by LONGSHORE_LIMITS__KEEP_SPANS_DAYS, ..._KEEP_REMOVED_DAYS and ..._KEEP_RUNS_DAYS. With --connection
    everything goes that a connection left which was removed, whatever its age; interrupted, it can be run again.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if yes and connection is None:
        raise click.UsageError("--yes goes with --connection")
    async with opened() as service:
        if connection is not None:
            gone = await _forget(service, connection, dry_run=dry_run, yes=yes)
        else:
            ids = list(await service.registry.known_ids(workspace=service.settings.workspace))
            gone = await service.retention.old(ids) if dry_run else (await service.retention.purge(ids))[0]
    if as_object:
        named = {} if connection is None else {"connection": connection}
        counts = {"spans": gone.spans, "assets": gone.assets, "runs": gone.runs}
        click.echo(as_json({**named, **counts, "dry_run": dry_run}))
        return
    click.echo(f"{'would delete' if dry_run else 'deleted'} {_counted(gone)}")


async def _forget(service: Service, name: str, *, dry_run: bool, yes: bool) -> Gone:
    from ingest.catalog.purging import Gone

    if name == service.settings.default_connection:
        raise click.ClickException(
            f"connection {name!r} is built in and can't be removed, so its records can't be purged this way; "
            "`longshore purge` deletes what was kept for long enough"
        )
    gone = Gone()
    for tombstone in await service.tombstones.find(name):
        left = await service.retention.left(tombstone.id, kept_id=tombstone.kept_id)
        if dry_run or not left:
            gone += left
            continue
        if not yes:
            _ask(tombstone, left)
        await service.tombstones.note(tombstone, "purge", actor=actor())
        done = await service.retention.forget(tombstone.id, kept_id=tombstone.kept_id)
        counts = {"spans": done.spans, "assets": done.assets, "runs": done.runs}
        await service.tombstones.note(tombstone, "purged", actor=actor(), **counts)
        gone += done
    return gone


def _ask(tombstone: Tombstone, left: Gone) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at: --yes deletes without being asked")
    removed = (iso(tombstone.removed_at) or "")[:10]
    click.confirm(
        f"Connection {tombstone.name} ({tombstone.kind}, removed {removed}) left {_counted(left)}. Delete them for good?",
        abort=True,
        err=True,
    )


def _counted(gone: Gone) -> str:
    return f"{gone.assets:,} asset records, {gone.runs:,} runs and {gone.spans:,} spans"
