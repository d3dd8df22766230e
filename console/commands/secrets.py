"""`longshore secrets`: which key seals which connection's secret, and how keys are replaced. No secret is ever shown."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from console.commands.common import actor, asynchronous, opened
from console.show import as_json, counted, iso, shown, table
from console.wrapping import say_wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credentials.rotation import KeptSecret, Rotated

_DAY_MS: Final = 86_400_000


@click.group(short_help="Keys that seal secrets: list, make, rotate.")
def secrets() -> None:
    """Look after the keys that seal stored secrets (access keys, passwords, tokens), in all workspaces of the catalog.

    \b
    longshore secrets list
    longshore secrets key

    To replace a key without a pause: put a new one first in LONGSHORE_SECRET_KEYS and keep the old one behind it; restart the workers;
    longshore secrets rotate; when longshore secrets list shows no secret under the old key, take it out.
    """  # noqa: D301  \b is for click, which keeps the lines below it


@secrets.command(short_help="Print a fresh key for LONGSHORE_SECRET_KEYS.")
@click.option(
    "--id",
    "key_id",
    metavar="ID",
    help="The key's name, 1 to 32 letters, digits, - and _.  [default: today, and a few letters that no other has]",
)
def key(key_id: str | None) -> None:
    """Print a fresh key, as id:base64. It is kept nowhere: put it where your other secrets are, and into LONGSHORE_SECRET_KEYS.

    \b
    longshore secrets key
    export LONGSHORE_SECRET_KEYS="$(longshore secrets key),$LONGSHORE_SECRET_KEYS"
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from config.errors import SecretKeyError
    from credentials.vault import new_key

    try:
        # two keys that are made on one day must not share an ID: the second is put before the first
        click.echo(new_key(key_id or f"{time.strftime('k%Y-%m-%d', time.gmtime())}-{os.urandom(4).hex()}"))
    except SecretKeyError as error:
        raise click.UsageError(error.message) from error


@secrets.command("list", short_help="List secrets: sealed with which key, how old; never the secret.")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def list_(as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """List every connection that has a secret, in all workspaces: the key that seals it or where it lives, and its age.

    \b
    longshore secrets list
    longshore secrets list --json | jq '.keys[] | select(.secrets == 0).key'
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        kept, keys = await service.secrets.kept(), service.secrets.key_ids
        old_days = service.settings.limits.secret_old_days
    now = time.time() * 1000
    records = [_record(one, now) for one in kept]
    counts = _counts(kept, keys)
    for warning in _warnings(records, counts, old_days):
        say_wrapped(f"warning: {warning}")
    if as_object:
        click.echo(as_json({"secrets": records, "keys": counts}))
        return
    if not kept:
        click.echo("no connection has a secret, which is best: roles need none")
    else:
        for line in table(("workspace", "connection", "kind", "sealed with", "age"), (_row(one) for one in records)):
            click.echo(line)
    for line in _key_lines(counts):
        click.echo(line)


@secrets.command(short_help="Seal every secret with the first key.")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def rotate(as_object: bool) -> int:  # noqa: FBT001  click passes by name
    """Seal with the first key of LONGSHORE_SECRET_KEYS what is sealed with another one, in all workspaces.

    \b
    longshore secrets rotate

    Restart the workers with the new key before, or they can't open what this seals. Runs go on meanwhile. Interrupted, it can be run
    again; a second time it finds nothing to do. What no key opens is named, and stays as it is; the exit code is 1 then.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        done = await service.secrets.rotate(actor=actor(), progress=_progress)
        first = service.secrets.key_ids[0]
    for one in done.not_opened:
        say_wrapped(f"not sealed anew: connection {one.connection} in workspace {one.workspace}: {one.why}")
    if as_object:
        click.echo(as_json(_summary(done, first)))
    else:
        click.echo(
            f"key {first}: {done.resealed:,} sealed anew, {done.fine:,} already fine, {len(done.not_opened):,} could not be opened"
        )
    if done.changed:
        say_wrapped(f"{done.changed:,} were changed by somebody else meanwhile; run it again to look at them")
    return 1 if done.not_opened else 0


def _progress(done: Rotated) -> None:
    click.echo(f"{counted(done.looked_at, 'secret')} looked at, {done.resealed:,} sealed anew", err=True)


def _summary(done: Rotated, first: str) -> dict[str, Any]:
    missing = [
        {"workspace": one.workspace, "connection": one.connection, "key": one.key_id, "why": one.why}
        for one in done.not_opened
    ]
    return {
        "key": first,
        "resealed": done.resealed,
        "fine": done.fine,
        "changed": done.changed,
        "not_opened": missing,
    }


def _record(one: KeptSecret, now: float) -> dict[str, Any]:
    return {
        "workspace": one.workspace,
        "connection": one.connection,
        "kind": one.kind,
        "key": one.key_id,
        "reference": one.reference,
        "set_at": iso(one.set_at),
        "age_days": None if one.set_at is None else max(0, int((now - one.set_at) // _DAY_MS)),
    }


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    where = record["reference"] or (f"key {record['key']}" if record["key"] else "a form of another version")
    age = "lives elsewhere" if record["age_days"] is None else counted(record["age_days"], "day")
    return record["workspace"], record["connection"], record["kind"], shown(where), age


def _counts(kept: Sequence[KeptSecret], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The keys that are set, in their order, then those that are not and that secrets need."""
    used = Counter(one.key_id for one in kept if one.key_id is not None)
    ids = [*keys, *sorted(used.keys() - set(keys))]
    return [
        {"key": one, "secrets": used[one], "set": one in keys, "seals": bool(keys) and one == keys[0]} for one in ids
    ]


def _key_lines(counts: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in counts:
        if not one["set"]:
            what = "not set"
        elif one["seals"]:
            what = "seals what is stored from now on"
        else:
            what = "`longshore secrets rotate` seals anew" if one["secrets"] else "unused; it can be taken out"
        lines.append(f"key {one['key']}: {counted(one['secrets'], 'secret')}; {what}")
    return lines


def _warnings(records: list[dict[str, Any]], counts: list[dict[str, Any]], old_days: float) -> list[str]:
    missing = [
        f"{counted(one['secrets'], 'secret')} can't be opened without key {one['key']!r}, which is not set: put it back into "
        "LONGSHORE_SECRET_KEYS, after the first, or store what it sealed again"
        for one in counts
        if not one["set"]
    ]
    old = [
        f"the access key of connection {one['connection']} in workspace {one['workspace']} was stored {one['age_days']:,} days ago: "
        f"ask for a new one, and `longshore connections update {one['connection']}` takes it"
        for one in records
        if one["kind"] == "aws_keys" and one["age_days"] is not None and one["age_days"] >= old_days
    ]
    return missing + old
