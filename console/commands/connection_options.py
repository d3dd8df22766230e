"""What is typed for a connection: hides which options make which kind, where a secret comes from, and how errors name what was typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from config.errors import ConnectionSetupError

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Any], Any]
_AUDIENCES: Final = ("workspace", "organisation")
_OF_A_KIND: Final = {
    "role_arn": "aws_role",
    "role": "aws_role",
    "access_key_id": "aws_keys",
    "username": "https_basic",
    "bearer": "https_bearer",
}
"""What makes a connection one of a kind."""
_KINDS: Final = tuple(dict.fromkeys(_OF_A_KIND.values()))
SECRETS: Final = {
    "aws_keys": ("secret_access_key", "secret access key", "LONGSHORE_SECRET_ACCESS_KEY"),
    "https_basic": ("password", "password", "LONGSHORE_PASSWORD"),
    "https_bearer": ("token", "token", "LONGSHORE_TOKEN"),
}
"""By kind: the field of its secret, what that is called, and the variable that may bring it."""
_TYPED: Final = {
    "name": "NAME",
    "session_ttl_s": "--session-ttl",
    "kms_keys": "--kms-key",
    "kms_key_arn": "--output-kms-key",
    "secret_access_key": "the secret access key",
    "password": "the password",
    "token": "the token",
}
"""What a user types for a field, where that is not the field's name with dashes."""
_CLEARED: Final = (
    *("external_id", "region", "expected_owner", "endpoint", "test_location", "output", "kms_key_arn", "kms_keys"),
)
"""What a connection can be without."""
_TTL_S: Final = 3600
"""Of a connection that says none."""
_MANY: Final = ("allow", "kms_keys")
GIVEN_TO_ALL: Final = "warning: it serves every workspace of the catalog from now on, and that can't be taken back"


def audience_option(*, what: str, default: str = "  [default: workspace]") -> Option:
    """`--audience`, for connections and roles alike."""
    told = f"Who may use the {what}: this workspace, or all of the catalog's, which can't be taken back.{default}"
    return click.option("--audience", type=click.Choice(_AUDIENCES), help=told)


def external_id_options(*, default: str) -> tuple[Option, ...]:
    """`--external-id` and `--no-external-id`, for connections and roles alike."""
    return (
        click.option("--external-id", metavar="ID", help=f"What the role's trust policy asks for.  {default}"),
        click.option("--no-external-id", is_flag=True, help="The trust policy asks for none, which is not wise."),
    )


_OF_BUCKETS: Final = (
    click.option("--region", metavar="REGION", help="Where buckets are looked for first; found by itself otherwise."),
    click.option("--expected-owner", metavar="ACCOUNT", help="Every bucket must belong to this account."),
    click.option(
        "--requester-pays/--no-requester-pays", default=None, help="Accept that requests are charged to the reader."
    ),
    click.option("--versions/--no-versions", default=None, help="Old versions of objects are wanted, too."),
    click.option("--tags/--no-tags", default=None, help="Tags of objects are wanted, too."),
    click.option(
        "--kms-key",
        "kms_keys",
        metavar="ARN",
        multiple=True,
        help="A key that objects are encrypted under; many times.",
    ),
    click.option("--output", metavar="PLACE", help="Where results may be written: s3://bucket or s3://bucket/prefix/."),
    click.option("--sse", type=click.Choice(["none", "sse-s3", "sse-kms"]), help="How output is encrypted."),
    click.option("--output-kms-key", "kms_key_arn", metavar="ARN", help="The key for output; with --sse sse-kms."),
    click.option(
        "--endpoint", metavar="URL", help="S3 elsewhere than AWS; for access keys, if the operator allows it."
    ),
    click.option("--path-style/--virtual-host", default=None, help="Bucket names in the path, or in the host's name."),
)
_OF_SECRETS: Final = (
    click.option(
        "--secret-stdin",
        is_flag=True,
        help="Read the secret access key, password or token from standard input.  [default: the variable "
        "LONGSHORE_SECRET_ACCESS_KEY, LONGSHORE_PASSWORD or LONGSHORE_TOKEN, else a prompt]",
    ),
    click.option(
        "--secret-from", metavar="REF", help="The secret stays elsewhere: env://NAME, file:///path or awssm://NAME."
    ),
)
_SHARED: Final = (
    click.option(
        "--test-location",
        metavar="URI",
        help="What the test reads: s3://bucket/key, s3://bucket/prefix/ or https://...",
    ),
    click.option(
        "--session-tags/--no-session-tags",
        default=None,
        help="Sessions say for whom they are; the trust policy then needs its second statement.",
    ),
)


class _Seconds(click.ParamType[Any]):
    """A number, or '' for what it is unless somebody says so."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "" else click.INT.convert(value, param, ctx)


def _ttl(default: str) -> Option:
    told = f"60 to 3600.{default}"
    return click.option("--session-ttl", "session_ttl_s", type=_Seconds(), metavar="SECONDS", help=told)


_ALLOW: Final = "s3://bucket, s3://bucket/prefix/ or https://host/path/; may be given many times."
OF_A_NEW_ONE: Final = (
    click.option("--role-arn", metavar="ARN", help="The customer's role; makes this an aws_role."),
    click.option("--role", metavar="NAME", help="A role of `longshore roles`, instead of an ARN."),
    click.option("--access-key-id", metavar="ID", help="A user's access key; makes this an aws_keys."),
    click.option("--username", metavar="USER", help="With a password for an HTTPS server; makes this an https_basic."),
    click.option("--bearer", is_flag=True, help="A token for an HTTPS server; makes this an https_bearer."),
    click.option("--kind", type=click.Choice(_KINDS), help="Follows from the options above."),
    click.option("--scope", type=click.Choice(["s3", "bedrock"]), help="What a role is for.  [default: s3]"),
    click.option("--allow", metavar="PLACE", multiple=True, help=_ALLOW),
    *external_id_options(default="[default: the one issued here]"),
    _ttl("  [default: 3600]"),
    audience_option(what="connection"),
    *_SHARED,
    *_OF_SECRETS,
    *_OF_BUCKETS,
)
OF_A_CHANGE: Final = (
    *(click.option(f"--{fixed}", metavar="X", hidden=True) for fixed in ("role-arn", "role", "username", "kind")),
    click.option("--scope", metavar="X", hidden=True),
    click.option("--name", "new_name", hidden=True),
    click.option("--access-key-id", metavar="ID", help="Another key of the user; its secret is asked for."),
    click.option("--allow", metavar="PLACE", multiple=True, help="Instead of all places so far; may be many times."),
    *external_id_options(default="'' for nothing."),
    _ttl("  '' for 3600."),
    audience_option(what="connection", default=""),
    *_SHARED,
    click.option("--new-secret", is_flag=True, help="Ask for another secret; with another server, too."),
    *_OF_SECRETS,
    *_OF_BUCKETS,
)


def options(given: Sequence[Option]) -> Callable[[F], F]:
    """A decorator that adds them, in this order."""

    def add_to(command: F) -> F:
        for option in reversed(given):
            command = option(command)
        return command

    return add_to


def kind_of(typed: Mapping[str, Any]) -> str:
    """Which kind was meant. Raises UsageError if none was, or two."""
    made = {_OF_A_KIND[name]: option_of(name) for name in _OF_A_KIND if typed.get(name)}
    asked = typed.get("kind")
    if len(made) > 1:
        raise click.UsageError(f"{' and '.join(made.values())} make two kinds of connection; give one of them")
    if asked is None and not made:
        raise click.UsageError("say how it reads: give --role-arn, --role, --access-key-id, --username or --bearer")
    kind = asked or next(iter(made))
    if made and kind not in made:
        raise click.UsageError(
            f"{next(iter(made.values()))} makes it a connection of kind {next(iter(made))}, not {kind}"
        )
    return str(kind)


def fields_of(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a connection or role that were typed; one that was cleared is None. Raises UsageError."""
    if typed.get("no_external_id") and typed.get("external_id") is not None:
        raise click.UsageError("give either --external-id or --no-external-id")
    left_out = ("bearer", "no_external_id", "kind")
    fields = {name: value for name, value in typed.items() if value not in (None, ()) and name not in left_out}
    fields |= {name: list(fields[name]) for name in _MANY if name in fields}
    fields |= {name: [] for name in _MANY if fields.get(name) == [""] and name in _CLEARED}
    fields |= {name: None for name in _CLEARED if fields.get(name) == ""}
    if typed.get("no_external_id"):
        fields["external_id"] = None
    if fields.get("session_ttl_s") == "":
        fields["session_ttl_s"] = _TTL_S
    if fields.get("endpoint", "") is None:
        fields.setdefault("path_style", None)  # is for an endpoint only
    return fields


def check_fields(check_vault: Callable[[], None], fields: Mapping[str, Any]) -> None:
    """Before anybody is asked for a secret: where none can be kept, what else is wrong is told with it.

    Raises SecretKeyError, or ConnectionSetupError with all that is wrong.
    """
    from config.errors import SecretKeyError
    from credentials.kinds import parse_spec, refusal

    try:
        check_vault()
    except SecretKeyError as error:
        field = SECRETS[fields["kind"]][0]
        try:
            parse_spec({**fields, field: "x" * 40})
        except ConnectionSetupError as wrong:
            raise refusal([*wrong.fields.get("problems", ()), (field, error.message)]) from None
        raise


def secret_of(kind: str, *, from_stdin: bool) -> dict[str, str]:
    """The secret of such a connection, by its field. Raises UsageError if there is none and nobody to ask."""
    if kind not in SECRETS:
        raise click.UsageError(f"a connection of kind {kind} has no secret")
    field, what, variable = SECRETS[kind]
    if from_stdin:
        return {field: sys.stdin.readline().rstrip("\r\n")}
    if secret := os.environ.get(variable):
        return {field: secret}
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"the {what} is needed, and there is no terminal to ask at: give --secret-stdin or --secret-from, or set {variable}"
        )
    return {field: click.prompt(what.capitalize(), hide_input=True, err=True)}


@contextmanager
def problems_as_typed(what: str = "connection") -> Generator[None]:
    """What is wrong with a field is told by what was typed for it."""
    try:
        yield
    except ConnectionSetupError as error:
        problems = error.fields.get("problems")
        if not problems:
            raise
        told = "; ".join(f"{option_of(name)}: {why}" for name, why in problems)
        raise ConnectionSetupError(f"the {what} can't be used: {told}") from None


def option_of(field: str) -> str:
    """What is typed for a field, or for a part of one."""
    name = field.split(".", maxsplit=1)[0]
    return _TYPED.get(name, f"--{name.replace('_', '-')}")
