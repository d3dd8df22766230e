"""`longshore roles`: customers' roles that are added once and shared by many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console.commands.common import actor, asynchronous, opened
from console.commands.connection_options import (
    GIVEN_TO_ALL,
    audience_option,
    external_id_options,
    fields_of,
    options,
    problems_as_typed,
)
from console.show import as_json, counted, described, table, told
from console.wrapping import say_wrapped

if TYPE_CHECKING:
    from credentials.roles import Role
    from worker.service import Service


@click.group(short_help="Keep customers' roles that many connections share.")
def roles() -> None:
    """Manage roles that many connections share: their ARN and external ID are typed once, and changed in one place.

    \b
    longshore roles add acme-reader --role-arn arn:aws:iam::444455556666:role/longshore-reader
    longshore connections add photos --role acme-reader --allow s3://acme-photos
    longshore connections add video --role acme-reader --allow s3://acme-video/raw/
    """  # noqa: D301  \b is for click, which keeps the lines below it


@roles.command(short_help="Add a role.")
@click.argument("name")
@click.option("--role-arn", metavar="ARN", required=True, help="The customer's role.")
@options((*external_id_options(default="[default: the one issued here]"), audience_option(what="role")))
@asynchronous
async def add(name: str, **typed: Any) -> None:
    """Add a role. Nothing is asked of AWS; the connections that use it are tested.

    \b
    longshore roles add acme-reader --role-arn arn:aws:iam::444455556666:role/longshore-reader
    longshore roles add studio --role-arn arn:aws:iam::444455556666:role/studio --audience organisation
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        with problems_as_typed("role"):
            role = await service.roles.add(fields_of(typed) | {"name": name}, actor=actor())
    click.echo(f"role {role.name} added")
    if role.external_id is None:
        _warn_of(role)
    else:
        asks = f"its trust policy must ask for the external ID {role.external_id}"
        click.echo(f"{asks}:  longshore policy trust {role.name} --kept-role")
    click.echo(f"next:  longshore connections add NAME --role {role.name} --allow s3://bucket")


def _warn_of(role: Role) -> None:
    say_wrapped(
        f"warning: role {role.name!r} has no external ID: whoever else may use this service and knows its ARN could read through it"
    )


@roles.command("list")
@click.option("--json", "as_lines", is_flag=True, help="One object a line.")
@asynchronous
async def list_(as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """List roles: the workspace's own, then those of the organisation.

    \b
    longshore roles list
    longshore roles list --json | jq -r .role_arn
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found = [
            (_described(service, role), (await service.roles.get(role.name))[1]) for role in await service.roles.all()
        ]
    if as_lines:
        for role, _ in found:
            click.echo(as_json(described(role)))
        return
    if not found:
        click.echo("no roles yet; `longshore roles add NAME --role-arn ARN` keeps one")
        return
    rows = (
        (role["name"], role["audience"], role["role_arn"], counted(len(users), "connection")) for role, users in found
    )
    for line in table(("name", "audience", "role ARN", "used by"), rows):
        click.echo(line)


def _described(service: Service, role: Role) -> dict[str, Any]:
    """The external ID is the business of the workspace whose role it is."""
    record = role.describe()
    if role.workspace != service.settings.workspace:
        del record["external_id"]
    return record


@roles.command(short_help="Show a role, and which connections use it.")
@click.argument("name")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def show(name: str, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show a role, and which connections use it.

    \b
    longshore roles show acme-reader
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        role, users = await service.roles.get(name)
        record = described(_described(service, role) | {"used_by": users})
    if as_object:
        click.echo(as_json(record))
        return
    for field, value in record.items():
        click.echo(f"{field:<12} {told(value)}")


@roles.command(short_help="Change a role's external ID or audience; name and ARN stay.")
@click.argument("name")
@click.option("--role-arn", metavar="ARN", hidden=True)
@options((*external_id_options(default="'' for nothing."), audience_option(what="role", default="")))
@asynchronous
async def update(name: str, **typed: Any) -> None:
    """Change a role. All its connections take it up with their next session; its name and ARN stay.

    \b
    longshore roles update acme-reader --audience organisation
    longshore roles update acme-reader --no-external-id
    """  # noqa: D301  \b is for click, which keeps the lines below it
    changes = fields_of(typed)
    if not changes:
        raise click.UsageError("say what to change; see longshore roles update --help")
    async with opened() as service:
        with problems_as_typed("role"):
            before, _ = await service.roles.get(name)
            role = await service.roles.update(name, changes, actor=actor())
    if role.external_id is None:
        _warn_of(role)
    if before.audience != role.audience == "organisation":
        say_wrapped(GIVEN_TO_ALL)
    click.echo(f"role {role.name} changed")


@roles.command(short_help="Remove a role that no connection uses.")
@click.argument("name")
@asynchronous
async def remove(name: str) -> None:
    """Remove a role from here; nothing is touched at AWS. One that connections use is not removed, and they are named.

    \b
    longshore roles remove acme-reader
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        await service.roles.remove(name, actor=actor())
    click.echo(f"role {name} removed")
