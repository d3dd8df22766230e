"""What is said beside a policy document, to standard error: names, warnings, what to do with it, and what comes then."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from console.show import shown
from console.wrapping import say_wrapped
from credentials.places import place_text
from credentials.policies.names import description, policy_name, role_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from console.setups import Asked
    from credentials.grants import Grant


def suggest(found: Asked) -> None:
    if found.setup.grants or found.setup.scope == "bedrock":
        click.echo(f"suggested policy name  {policy_name(found.setup)}", err=True)
        click.echo(f"suggested description  {description(found.setup)}", err=True)
    if found.setup.method == "role":
        click.echo(f"suggested role name    {role_name(found.setup)}", err=True)

    if found.setup.kms_keys:
        say_wrapped(
            f"note: a KMS key whose policy does not leave it to IAM needs a statement: longshore policy kms "
            f"{found.setup.connection}"
        )


def placeholder(principal: str) -> None:
    if "ACCOUNT-ID" in principal:
        say_wrapped(f"warning: replace {principal} by the ARN of the role that reads; AWS takes no such policy before")


def say(found: Asked, todo: str, then: str) -> None:
    for note in found.notes:
        say_wrapped(note)
    say_wrapped(f"next:  {todo}", indent=7)
    if then:
        click.echo(f"then:  {then}", err=True)


def then_add(found: Asked, *, kept_role: bool = False) -> str:
    """The command that makes the connection, or tests the one that is there."""
    setup = found.setup
    if found.kind == "default":
        first = setup.grants[0]
        uri = shown(shlex.quote(f"s3://{first.bucket}/{first.prefix}"))
        return f"longshore connections test {setup.connection} --uri {uri}"
    if found.connection is not None:
        return f"longshore connections test {setup.connection}"
    if found.kept is not None:
        return f"longshore connections add NAME --role {found.kept.name} --allow s3://bucket"
    if kept_role:
        return f"longshore roles add {setup.connection} --role-arn ARN-OF-THE-ROLE"
    what = "--scope bedrock" if setup.scope == "bedrock" else _places(setup.grants)
    open_role = " --no-external-id" if setup.external_id is None else ""
    return f"longshore connections add {setup.connection} --role-arn ARN-OF-THE-ROLE {what}{open_role}"


def of_access(found: Asked) -> tuple[str, str]:
    """Whose policy the permissions are, and what comes then."""
    name = found.setup.connection
    if found.kind == "default":
        bucket = found.setup.first_bucket  # each has a policy of its own
        places = _places(grant for grant in found.setup.grants if grant.bucket == bucket)
        return "our own reader role, or whichever role of ours reads", f"longshore policy bucket {name} {places}"
    if found.kind == "aws_keys":
        return "the key's user (IAM, Users, the user, Add permissions, Create inline policy)", then_add(found)
    return "the role (IAM, Roles, the role, Add permissions, Create inline policy)", f"longshore policy trust {name}"


def of_trust(found: Asked, *, kept_role: bool) -> tuple[str, str]:
    """Where the trust policy goes, and what comes then."""
    if found.kind == "default":
        place = f"longshore policy access {found.setup.connection} --allow s3://bucket"
        return "paste it as the trust policy of our own reader role", place
    where = "paste it as the role's trust policy (IAM, Roles, the role, Trust relationships, Edit)"
    return where, then_add(found, kept_role=kept_role)


def of_bucket(found: Asked) -> tuple[str, str]:
    """Where the bucket's policy goes, and what comes then."""
    where = next(iter(found.setup.reads()))
    todo = f"paste it as the policy of {where} (S3, {where}, Permissions, Bucket policy); if it has one, add the statements to it"
    return todo, "" if found.connection is None else then_add(found)


def _places(grants: Iterable[Grant]) -> str:
    return " ".join(f"--allow {shown(shlex.quote(place_text(grant)))}" for grant in grants) or "--allow s3://bucket"
