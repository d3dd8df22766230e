"""What is said beside a policy document, to standard error: names, warnings, what to do with it, and what comes then."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from console.show import shown
from credentials.places import place_text
from credentials.policies.names import description, policy_name, role_name

if TYPE_CHECKING:
    from console.setups import Asked


def suggest(found: Asked) -> None:
    if found.setup.grants or found.setup.scope == "bedrock":
        click.echo(f"suggested policy name  {policy_name(found.setup)}", err=True)
        click.echo(f"suggested description  {description(found.setup)}", err=True)
    if found.setup.method == "role":
        click.echo(f"suggested role name    {role_name(found.setup)}", err=True)

    if found.setup.kms_keys:
        click.echo(
            f"note: a KMS key whose policy does not leave it to IAM needs a statement: longshore policy kms "
            f"{found.setup.connection}",
            err=True,
        )


def placeholder(principal: str) -> None:
    if "ACCOUNT-ID" in principal:
        click.echo(
            f"warning: replace {principal} by the ARN of the role that reads; AWS takes no such policy before", err=True
        )


def say(found: Asked, todo: str, then: str) -> None:
    for note in found.notes:
        click.echo(note, err=True)
    click.echo(f"next:  {todo}", err=True)
    if then:
        click.echo(f"then:  {then}", err=True)


def then_add(found: Asked, *, kept_role: bool = False) -> str:
    """The command that makes the connection, or tests the one that is there."""
    setup = found.setup
    if found.connection is not None:
        return f"longshore connections test {setup.connection}"
    if kept_role:
        return f"longshore roles add {setup.connection} --role-arn ARN-OF-THE-ROLE"
    places = (
        " ".join(f"--allow {shown(shlex.quote(place_text(grant)))}" for grant in setup.grants) or "--allow s3://bucket"
    )
    what = "--scope bedrock" if setup.scope == "bedrock" else places
    open_role = " --no-external-id" if setup.external_id is None else ""
    return f"longshore connections add {setup.connection} --role-arn ARN-OF-THE-ROLE {what}{open_role}"
