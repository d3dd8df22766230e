"""`longshore connections`: who may read what, and how. A secret never passes through an argument, which `ps` would show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from console.commands.common import actor, asynchronous, opened
from console.commands.connection_options import (
    GIVEN_TO_ALL,
    OF_A_CHANGE,
    OF_A_NEW_ONE,
    SECRETS,
    check_fields,
    fields_of,
    kind_of,
    options,
    problems_as_typed,
    secret_of,
)
from console.commands.connection_test import test
from console.show import as_json, described, shown, table, told
from console.wrapping import say_wrapped

if TYPE_CHECKING:
    from credentials.connection import Connection
    from worker.service import Service

_ORDER: Final = (
    *("name", "kind", "scope", "audience", "workspace", "owner", "role", "role_arn", "external_id"),
    *("access_key_id", "username", "secret_from", "endpoint", "path_style", "allow", "test_location", "region"),
    *("expected_owner", "requester_pays", "versions", "tags", "kms_keys", "output", "sse", "kms_key_arn"),
    *("session_ttl_s", "session_tags", "trust", "trust_at", "tested", "used_by"),
)
"""In which fields are shown; any others come after these."""
_PERMITS: Final = 60
"""Characters of what a connection permits, in a list."""


@click.group(short_help="Add, list, show, update or remove connections.")
def connections() -> None:
    """Manage connections: named, scoped access to somebody's storage. The built-in one is always there.

    \b
    longshore connections add acme --role-arn arn:aws:iam::444455556666:role/longshore-reader \\
        --allow s3://acme-photos --allow s3://acme-video/raw/
    longshore ingest s3://acme-photos --connection acme
    """  # noqa: D301  \b is for click, which keeps the lines below it


@connections.command(short_help="Add a customer's role, an access key, or the login of an HTTPS server.")
@click.argument("name")
@options(OF_A_NEW_ONE)
@asynchronous
async def add(name: str, secret_stdin: bool, **typed: Any) -> None:  # noqa: FBT001  click passes by name
    """Add a connection. A customer's role is the best way in: it ends by itself, and lies in the customer's hand.

    \b
    A role, by its ARN; or one that `longshore roles add` has kept:
      longshore connections add acme --role-arn arn:aws:iam::444455556666:role/longshore-reader \\
          --allow s3://acme-photos
      longshore connections add video --role acme-reader --allow s3://acme-video/raw/
    A user's access key, on AWS or elsewhere; its secret is asked for:
      longshore connections add old --access-key-id AKIA... --allow s3://old-photos --secret-stdin < secret
      longshore connections add mini --access-key-id minio --endpoint https://minio.acme.example \\
          --allow s3://photos
    An HTTPS server, with a password or a token:
      longshore connections add files --username longshore --allow https://files.acme.example/media/
      longshore connections add api --bearer --secret-from env://ACME_TOKEN \\
          --allow https://api.acme.example/v1/

    The external ID of a role is issued here, before the connection exists, so that the customer can make the role first:
    `longshore policy trust NAME` prints its trust policy, `longshore policy access NAME` what it may do.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    kind = kind_of(typed)
    fields = fields_of(typed) | {"kind": kind, "name": name}
    if secret_stdin and "secret_from" in fields:
        raise click.UsageError("give either --secret-stdin or --secret-from")
    async with opened() as service:
        if secret_stdin or (kind in SECRETS and "secret_from" not in fields):
            with problems_as_typed():
                check_fields(service.registry.check_vault, fields)
            fields |= secret_of(kind, from_stdin=secret_stdin)
        with problems_as_typed():
            connection = await service.registry.create(fields, workspace=service.settings.workspace, actor=actor())
    _warn(connection)
    for line in _next_steps(connection):
        click.echo(line)


def _next_steps(connection: Connection) -> list[str]:
    name, external_id = connection.name, connection.describe().get("external_id")
    said = [f"connection {name} added"]
    if external_id is not None:
        said.append(
            f"the role's trust policy must ask for the external ID {external_id}:  longshore policy trust {name}"
        )
    return [*said, f"next, see whether it works:  longshore connections test {name}"]


@connections.command("list")
@click.option("--json", "as_lines", is_flag=True, help="One object a line.")
@asynchronous
async def list_(as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """List connections: the built-in one, the workspace's own, then those of the organisation.

    \b
    longshore connections list
    longshore connections list --json | jq -r .name
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found = await service.registry.list(workspace=service.settings.workspace)
    found.sort(key=lambda one: (one.kind != "default", not one.own, one.name))
    if as_lines:
        for connection in found:
            click.echo(as_json(described(connection.describe())))
        return
    for line in table(("name", "kind", "audience", "permits", "trust", "tested"), map(_row, found)):
        click.echo(line)


def _row(connection: Connection) -> tuple[str, ...]:
    record = described(connection.describe())
    audience = record["audience"] if connection.own else f"organisation, by {connection.owner}"
    trust = record.get("trust") or "-"
    if record.get("external_id", "") is None:
        trust = "no external ID"
    tested = record.get("tested")
    return (
        connection.name,
        connection.kind,
        "-" if connection.kind == "default" else audience,
        _permits(connection, record),
        trust,
        "-" if tested is None else f"{tested.get('verdict', '')} {(tested.get('at') or '')[:10]}".strip(),
    )


def _permits(connection: Connection, record: dict[str, Any]) -> str:
    if connection.anywhere:
        return "any bucket that lets us in"
    if record.get("scope") == "bedrock":
        return "Bedrock"
    places = shown(", ".join(record["allow"])) or "nothing in this workspace"
    return places if len(places) <= _PERMITS else f"{places[: _PERMITS - 1]}…"


@connections.command()
@click.argument("name")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def show(name: str, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show a connection, and what uses it. Its secret is never shown.

    \b
    longshore connections show acme
    longshore connections show acme --json | jq -r .external_id
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        connection = await service.registry.get(name, workspace=service.settings.workspace)
        record = described(connection.describe() | {"used_by": list(await service.users(connection))})
    _warn(connection)
    if as_object:
        click.echo(as_json(record))
        return
    for field in [*(field for field in _ORDER if field in record), *(record.keys() - set(_ORDER))]:
        click.echo(f"{field:<16} {_told(record[field])}")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return told([f"{name} {told(one)}" for name, one in value.items()])
    return told(value)


@connections.command(short_help="Change a connection; name, kind and role stay.")
@click.argument("name")
@options(OF_A_CHANGE)
@asynchronous
async def update(
    name: str,
    new_name: str | None,
    secret_stdin: bool,  # noqa: FBT001  click passes by name
    new_secret: bool,  # noqa: FBT001  click passes by name
    **typed: Any,
) -> None:
    """Change a connection. Its name, its kind and its role stay; what is given as '' is set no more: --region, --expected-owner,
    --endpoint, --test-location, --output, --output-kms-key, --kms-key, --external-id and --session-ttl.

    \b
    longshore connections update acme --allow s3://acme-photos/2026/ --allow s3://acme-video
    longshore connections update acme --region '' --no-versions
    longshore connections update old --access-key-id AKIA...
    longshore connections update files --new-secret

    The external ID changes to what the customer's trust policy asks for by then; sessions of before are used no more.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    changes = fields_of(typed)
    changes |= {field: value for field, value in (("name", new_name), ("kind", typed["kind"])) if value is not None}
    asks = secret_stdin or new_secret or ("access_key_id" in changes and "secret_from" not in changes)
    if not changes and not asks:
        raise click.UsageError("say what to change; see longshore connections update --help")
    if "secret_from" in changes and (secret_stdin or new_secret):
        raise click.UsageError("a secret is kept here or elsewhere: give it, or --secret-from")
    async with opened() as service:
        before = await service.registry.get(name, workspace=service.settings.workspace)
        if asks and before.own:
            changes |= _secret(service, before.kind, from_stdin=secret_stdin)
        with problems_as_typed():
            connection = await service.registry.update(
                name, changes, workspace=service.settings.workspace, actor=actor()
            )
    _warn(connection)
    if before.spec.audience != connection.spec.audience == "organisation":
        say_wrapped(GIVEN_TO_ALL)
    click.echo(f"connection {connection.name} changed")


@connections.command(short_help="Remove a connection; its records stay.")
@click.argument("name")
@click.option("--yes", "typed", metavar="NAME", help="The name again, instead of being asked for it.")
@asynchronous
async def remove(name: str, typed: str | None) -> None:
    """Remove a connection. Nothing in any bucket is touched, and its asset records stay.

    \b
    longshore connections remove acme
    longshore connections remove acme --yes acme

    Added again under the same name and kind, it finds its records by the same asset IDs. One that runs or schedules use is not
    removed, and they are named.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found = await service.registry.get(name, workspace=service.settings.workspace)
        if found.own and found.kind != "default":  # what can't be removed is refused without a question
            again = typed if typed is not None else _again(name)
            if again != name:
                raise click.ClickException(f"{again!r} is not {name!r}; nothing was removed")
        await service.remove_connection(name, actor=actor())
    click.echo(f"connection {name} removed; its asset records stay; `longshore purge --connection {name}` deletes them")


def _again(name: str) -> str:
    try:
        typed: str = click.prompt(f"Type {name} again to remove it", err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError(f"there is no terminal to ask at: give --yes {name}") from None
    return typed


def _secret(service: Service, kind: str, *, from_stdin: bool) -> dict[str, str]:
    """Nobody is asked for a secret that could not be kept. Raises SecretKeyError then, and what `secret_of` raises."""
    if kind in SECRETS:
        service.registry.check_vault()
    return secret_of(kind, from_stdin=from_stdin)


def _warn(connection: Connection) -> None:
    for warning in connection.warnings():
        say_wrapped(f"warning: {warning}")


connections.add_command(test)
