"""`longshore connections`: who may read what, and how. A secret never passes through an argument, which `ps` would show."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from config.errors import ConnectionSetupError
from console.commands.common import actor, asynchronous, opened
from console.show import as_json, iso, shown, table, told

if TYPE_CHECKING:
    from credentials.connection import Connection
    from worker.service import Service

F = TypeVar("F", bound=Callable[..., Any])
SECRET_VARIABLE: Final = "LONGSHORE_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable

_SHARED = (
    click.option("--region", metavar="REGION", help="Where buckets are looked for first; found by itself otherwise."),
    click.option("--expected-owner", metavar="ACCOUNT", help="Every bucket must belong to this account."),
    click.option(
        "--requester-pays/--no-requester-pays", default=None, help="Accept that requests are charged to the reader."
    ),
)
_OF_A_NEW_ONE = (
    click.option("--role-arn", metavar="ARN", help="The customer's role; makes this a connection of kind aws_role."),
    click.option(
        "--external-id", metavar="ID", help="What the role's trust policy asks for.  [default: the one that we issue]"
    ),
    click.option("--no-external-id", is_flag=True, help="The role asks for none: possible, not wise."),
    click.option("--session-ttl", "session_ttl_s", type=int, metavar="SECONDS", help="60 to 3600.  [default: 3600]"),
    click.option("--access-key-id", metavar="ID", help="A user's key; makes this a connection of kind aws_keys."),
    click.option(
        "--secret-stdin",
        is_flag=True,
        help=f"Read the secret access key from standard input.  [default: ${SECRET_VARIABLE}, else a prompt]",
    ),
    click.option(
        "--allow", metavar="PLACE", multiple=True, help="s3://bucket or s3://bucket/prefix/; may be given many times."
    ),
    *_SHARED,
)
_OF_A_CHANGE = (
    click.option("--role-arn", metavar="ARN", hidden=True),
    click.option(
        "--external-id", metavar="ID", help="What the role's trust policy asks for from now on; '' for nothing."
    ),
    click.option("--session-ttl", "session_ttl_s", type=int, metavar="SECONDS", help="60 to 3600."),
    click.option("--access-key-id", metavar="ID", help="Another key of the user; its secret is asked for."),
    click.option(
        "--secret-stdin",
        is_flag=True,
        help=f"Read the new secret access key from standard input.  [default: ${SECRET_VARIABLE}, else a prompt]",
    ),
    click.option(
        "--allow", metavar="PLACE", multiple=True, help="Instead of all places so far; may be given many times."
    ),
    *_SHARED,
)
_TYPED: Final = {
    "name": "NAME",
    "allow": "--allow",
    "role_arn": "--role-arn",
    "external_id": "--external-id",
    "session_ttl_s": "--session-ttl",
    "access_key_id": "--access-key-id",
    "secret_access_key": "the secret access key",
    "region": "--region",
    "expected_owner": "--expected-owner",
    "requester_pays": "--requester-pays",
}
"""What a user types for a field."""
_CLEARED: Final = ("external_id", "region", "expected_owner")
"""What a connection can be without."""


def _options(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    def add_to(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add_to


@contextmanager
def _problems_as_typed() -> Generator[None]:
    """What is wrong with a field is told by what was typed for it."""
    try:
        yield
    except ConnectionSetupError as error:
        problems = error.fields.get("problems")
        if not problems:
            raise
        told = "; ".join(f"{_TYPED.get(name.split('.')[0], name)}: {what}" for name, what in problems)
        raise ConnectionSetupError(f"the connection can't be used: {told}") from None


def _given(service: Service, options: dict[str, Any], *, secret_stdin: bool) -> dict[str, Any]:
    """The fields that were given; asks for the secret where a key's ID is among them. Raises SecretKeyError before that."""
    fields = {name: value for name, value in options.items() if value not in (None, ())}
    if "allow" in fields:
        fields["allow"] = list(fields["allow"])
    if "access_key_id" in fields or secret_stdin:
        service.registry.check_vault()
        fields["secret_access_key"] = _secret(from_stdin=secret_stdin)
    return fields


def _secret(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().strip()
    if secret := os.environ.get(SECRET_VARIABLE):
        return secret
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"the secret access key is needed, and there is no terminal to ask at: give --secret-stdin, or set {SECRET_VARIABLE}"
        )
    prompted: str = click.prompt("Secret access key", hide_input=True, err=True)
    return prompted


def _warn(connection: Connection) -> None:
    for warning in connection.warnings():
        click.echo(f"warning: {warning}", err=True)


def _print(connection: Connection, *, as_object: bool) -> None:
    described = connection.describe()
    if as_object:
        click.echo(as_json(described))
        return
    for name, value in described.items():
        if name in ("created_at", "updated_at"):
            value = iso(value or None)  # noqa: PLW2901 - the built-in one was never made
        click.echo(f"{name:<16} {told(value)}")


@click.group(short_help="Add, list, show, update or remove connections.")
def connections() -> None:
    """Manage connections: named, scoped access to somebody's storage. The built-in one is always there.

    \b
    longshore connections add acme --role-arn arn:aws:iam::444455556666:role/longshore-reader \\
        --external-id 7f3c-acme --allow s3://acme-photos --allow s3://acme-video/raw/
    longshore ingest s3://acme-photos --connection acme
    """  # noqa: D301  \b is for click, which keeps the lines below it


@connections.command(short_help="Add a customer's role or a user's access key.")
@click.argument("name")
@_options(_OF_A_NEW_ONE)
@asynchronous
async def add(name: str, secret_stdin: bool, no_external_id: bool, **options: Any) -> None:  # noqa: FBT001  click passes by name
    """Add a connection: a customer's role (--role-arn) or a user's access key (--access-key-id).

    \b
    longshore connections add acme --role-arn arn:aws:iam::444455556666:role/longshore-reader \\
        --external-id 7f3c-acme --allow s3://acme-photos
    longshore connections add old --access-key-id AKIA... --allow s3://old-photos --secret-stdin < secret
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if (options["role_arn"] is None) == (options["access_key_id"] is None):
        raise click.UsageError("give either --role-arn or --access-key-id")
    kind = "aws_role" if options["role_arn"] else "aws_keys"
    async with opened() as service:
        fields = _given(service, options, secret_stdin=secret_stdin) | {"kind": kind, "name": name}
        fields |= {"external_id": None} if no_external_id else {}
        with _problems_as_typed():
            connection = await service.registry.create(fields, workspace=service.settings.workspace, actor=actor())
    _warn(connection)
    click.echo(
        f"connection {connection.name} added; try: longshore ingest {fields['allow'][0]} --connection {connection.name}"
    )


@connections.command("list")
@click.option("--json", "as_lines", is_flag=True, help="One object a line.")
@asynchronous
async def list_(as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """List connections, the built-in one first.

    \b
    longshore connections list
    longshore connections list --json | jq -r .name
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        found = await service.registry.list(workspace=service.settings.workspace)
    if as_lines:
        for connection in found:
            click.echo(as_json(connection.describe()))
        return
    rows = [(one.name, one.kind, _permits(one)) for one in found]
    for line in table(("name", "kind", "permits"), rows):
        click.echo(line)


def _permits(connection: Connection) -> str:
    if connection.anywhere:
        return "any bucket that lets us in"
    return shown(", ".join(connection.describe()["allow"])) or "nothing in this workspace"


@connections.command()
@click.argument("name")
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@asynchronous
async def show(name: str, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Show a connection. Its secret is never shown.

    \b
    longshore connections show acme
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        connection = await service.registry.get(name, workspace=service.settings.workspace)
    _warn(connection)
    _print(connection, as_object=as_object)


@connections.command(short_help="Change a connection; name, kind and role stay.")
@click.argument("name")
@click.option("--name", "new_name", hidden=True)
@_options(_OF_A_CHANGE)
@asynchronous
async def update(name: str, new_name: str | None, secret_stdin: bool, **options: Any) -> None:  # noqa: FBT001  click passes by name
    """Change a connection. Its name, its kind and its role stay; what is given as '' is set no more.

    \b
    longshore connections update acme --allow s3://acme-photos/2026/ --allow s3://acme-video
    longshore connections update acme --external-id ''
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if new_name is None and not secret_stdin and all(value in (None, ()) for value in options.values()):
        raise click.UsageError("say what to change; see longshore connections update --help")
    async with opened() as service:
        changes = _given(service, options, secret_stdin=secret_stdin)
        changes |= {field: None for field in _CLEARED if changes.get(field) == ""}
        if new_name is not None:
            changes["name"] = new_name
        with _problems_as_typed():
            connection = await service.registry.update(
                name, changes, workspace=service.settings.workspace, actor=actor()
            )
    _warn(connection)
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
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        await service.registry.get(name, workspace=service.settings.workspace)
        again = typed if typed is not None else click.prompt(f"Type {name} again to remove it", err=True)
        if again != name:
            raise click.ClickException(f"{again!r} is not {name!r}; nothing was removed")
        await service.remove_connection(name, actor=actor())
    click.echo(f"connection {name} removed; its asset records stay; `longshore purge --connection {name}` deletes them")
