"""`longshore policy`: what a customer pastes. The document alone goes to standard output; all that is said of it, to standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from console import advice
from console.commands.common import asynchronous, opened
from credentials.policies.document import pretty

if TYPE_CHECKING:
    from console.setups import Asked, Document

F = TypeVar("F", bound=Callable[..., Any])
_ALLOW: Final = click.option(
    "--allow", metavar="PLACE", multiple=True, help="s3://bucket or s3://bucket/prefix/; may be given many times."
)
_KMS_KEY: Final = click.option(
    "--kms-key",
    "kms_keys",
    metavar="ARN",
    multiple=True,
    help="A KMS key that objects are encrypted under; may be given many times.",
)
_ROLE_NAME: Final = click.option(
    "--role-name", metavar="NAME", help="What to call the customer's role.  [default: longshore-NAME]"
)
_ORIGIN: Final = click.option(
    "--origin",
    "origins",
    metavar="URL",
    multiple=True,
    help="A web page that shows objects, as https://host; may be given many times.",
)
_OF_READING: Final = (
    _ALLOW,
    click.option("--versions", is_flag=True, help="Read object versions, too."),
    click.option("--tags", is_flag=True, help="Read object tags, too."),
    _KMS_KEY,
    click.option("--output", metavar="PLACE", help="Where results are written; nothing is written without it."),
    click.option("--output-kms-key", metavar="ARN", help="The KMS key that results, or copies, are encrypted under."),
    click.option("--copy-to", metavar="PLACE", help="Your own place, into which objects are copied on S3's side."),
    click.option("--scope", type=click.Choice(["s3", "bedrock"]), help="bedrock: invoke models, and read no bucket."),
)
_OF_TRUST: Final = (
    click.option(
        "--account-root", is_flag=True, help="Trust our account and the role's name, which outlives the role."
    ),
    click.option("--session-tags", is_flag=True, help="Let us tag sessions and say who they are for."),
    click.option("--no-external-id", is_flag=True, help="Ask for no external ID. Not wise."),
)


def _of(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add_to(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return click.argument("name")(command)

    return add_to


@click.group(short_help="Print the policies, templates and commands that a customer needs.")
def policy() -> None:
    """Print what a customer pastes. NAME is a connection that exists, or one to come: then say its places by --allow.

    \b
    longshore policy access acme --allow s3://acme-photos/2026/      what the role may do
    longshore policy trust acme                                      who may assume it
    longshore policy cloudformation acme --allow s3://acme-photos > acme.yaml      both at once
    longshore connections add acme --role-arn ARN --allow s3://acme-photos

    The document alone goes to standard output, so it can be piped; names, warnings and the next step go to standard error. An
    external ID is issued at the first time and stays the same. Everything is read-only unless --output or --copy-to asks for more.
    """  # noqa: D301  \b is for click, which keeps the lines below it


@policy.command(short_help="What the customer's role may do.")
@_of(*_OF_READING, _ROLE_NAME)
@asynchronous
async def access(name: str, **typed: Any) -> None:
    """Print the permissions of the customer's role: list the places and read their objects.

    \b
    longshore policy access acme --allow s3://acme-photos --allow s3://acme-video/raw/
    longshore policy access acme --allow s3://acme-photos --versions --tags --kms-key arn:aws:kms:eu-west-1:...:key/...
    longshore policy access acme | pbcopy
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.access import access_policy

    found = await _asked(name, "access", typed)
    click.echo(pretty(access_policy(found.setup)))
    advice.suggest(found)
    whose, then = advice.of_access(found)
    advice.say(found, f"paste it as a policy of {whose}", then)


@policy.command(short_help="Who may assume the customer's role: we, with an external ID.")
@_of(*_OF_TRUST, click.option("--kept-role", is_flag=True, help="NAME is a role of `longshore roles`, or one to come."))
@asynchronous
async def trust(name: str, **typed: Any) -> None:
    """Print the trust policy of the customer's role. The external ID in it is issued by us, for this NAME alone.

    For `default` it is that of our own reader role, as LONGSHORE_READER_ROLE names it.

    \b
    longshore policy trust acme
    longshore policy trust acme --account-root --session-tags
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.trust import reader_trust_policy, trust_policy

    found = await _asked(name, "trust", typed)
    click.echo(pretty((reader_trust_policy if found.kind == "default" else trust_policy)(found.setup)))
    advice.suggest(found)
    advice.say(found, *advice.of_trust(found, kept_role=typed["kept_role"]))


@policy.command(short_help="Lets our own role, or the customer's, into a bucket.")
@_of(*_OF_READING[:3])
@asynchronous
async def bucket(name: str, **typed: Any) -> None:
    """Print the policy of one bucket. For `default`, it lets our own role in; for a customer's role, that role.

    \b
    longshore policy bucket default --allow s3://acme-photos
    longshore policy bucket acme
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.bucket import bucket_policy
    from credentials.policies.names import reader

    found = await _asked(name, "bucket", typed)
    click.echo(pretty(bucket_policy(found.setup)))
    advice.placeholder(reader(found.setup))
    advice.say(found, *advice.of_bucket(found))


@policy.command(short_help="Lets the reader decrypt with a KMS key.")
@_of(
    _KMS_KEY, click.option("--output-kms-key", metavar="ARN", help="The key is for results: encrypt, too."), _ROLE_NAME
)
@asynchronous
async def kms(name: str, **typed: Any) -> None:
    """Print a statement for the policy of one KMS key. It is needed where the key's own account or policy does not let the reader in.

    \b
    longshore policy kms acme --kms-key arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.kms import key_statement
    from credentials.policies.names import reader

    found = await _asked(name, "kms", typed)
    click.echo(pretty(key_statement(found.setup)))
    advice.placeholder(reader(found.setup))
    advice.say(
        found,
        "add it to the statements of the key's policy (KMS, the key, Key policy, Edit), and leave the others there",
        "",
    )


@policy.command(short_help="Lets web pages show objects in a browser.")
@_of(_ORIGIN)
@asynchronous
async def cors(name: str, **typed: Any) -> None:
    """Print the CORS rules of the buckets, for the pages that show objects by presigned URLs.

    \b
    longshore policy cors acme --origin https://app.example.com --origin http://localhost:3000
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.cors import cors_rules

    found = await _asked(name, "cors", typed)
    click.echo(pretty(cors_rules(found.setup)))
    advice.say(
        found,
        f"paste it into each bucket (S3, the bucket, Permissions, CORS); `longshore policy commands {name}` wraps it for the AWS CLI",
        "",
    )


@policy.command(short_help="The role as a CloudFormation template.")
@_of(
    *_OF_READING,
    *_OF_TRUST,
    _ROLE_NAME,
    click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True),
    click.option(
        "--template-url",
        metavar="URL",
        help="Where the template lies in S3: makes a link that opens the console filled in.",
    ),
    click.option("--region", metavar="REGION", default="us-east-1", show_default=True, help="Of that link."),
)
@asynchronous
async def cloudformation(name: str, form: str, template_url: str | None, region: str, **typed: Any) -> None:
    """Print a CloudFormation template that makes the role, with its trust and its permissions.

    \b
    longshore policy cloudformation acme --allow s3://acme-photos > longshore-acme.yaml
    longshore policy cloudformation acme --allow s3://acme-photos --format json

    Its parameters are BucketName (the bucket that is named first; others stand in it as they are), ExternalId and RoleName, each
    with a default; its outputs, which are exported, RoleArn and RoleName.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies import cloudformation as template
    from credentials.policies.names import stack_name

    found = await _asked(name, "cloudformation", typed)
    click.echo(template.render(found.setup, form=form), nl=False)
    advice.suggest(found)
    advice.say(found, "keep it as a file, and deploy it:", "")
    click.echo(f"  {template.deploy_command(found.setup, file=f'{stack_name(found.setup)}.{form}')}", err=True)
    click.echo(f"  {template.outputs_command(found.setup)}", err=True)
    if template_url is not None:
        url = template.quick_create_url(found.setup, template_url=template_url, region=region)
        click.echo(f"or open, as the customer:\n  {url}", err=True)
    click.echo(f"then:  {advice.then_add(found)}", err=True)


@policy.command(short_help="The role as a Terraform file.")
@_of(*_OF_READING, *_OF_TRUST, _ROLE_NAME)
@asynchronous
async def terraform(name: str, **typed: Any) -> None:
    """Print a Terraform file that makes the role, with its trust and its permissions.

    \b
    longshore policy terraform acme --allow s3://acme-photos > longshore.tf

    Its variables are bucket_name (the bucket that is named first; others stand in it as they are), external_id and role_name, each
    with a default; its outputs role_arn and role_name.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.terraform import render

    found = await _asked(name, "terraform", typed)
    click.echo(render(found.setup), nl=False)
    advice.suggest(found)
    advice.say(
        found,
        "keep it as longshore.tf in a folder of its own, then: terraform init && terraform apply",
        advice.then_add(found),
    )


@policy.command("commands", short_help="The role, or the bucket's policy, as commands of the AWS CLI.")
@_of(*_OF_READING, *_OF_TRUST, _ROLE_NAME, _ORIGIN)
@asynchronous
async def commands_(name: str, **typed: Any) -> None:
    """Print a script of AWS CLI commands, which makes the role; for `default`, gives the buckets their policies.

    \b
    longshore policy commands acme --allow s3://acme-photos > setup.sh
    longshore policy commands acme --allow s3://acme-photos --origin https://app.example.com | sh
    longshore policy commands default --allow s3://acme-photos

    A bucket that has a policy or CORS rules already keeps them: the script says so and replaces nothing.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from credentials.policies.commands import commands

    found = await _asked(name, "commands", typed)
    click.echo(commands(found.setup), nl=False)
    advice.suggest(found)
    advice.say(
        found,
        "run it in a shell in which aws works for the customer's account (CloudShell does)",
        advice.then_add(found),
    )


async def _asked(name: str, document: Document, typed: dict[str, Any]) -> Asked:
    from console.setups import asked

    if typed.pop("account_root", False):
        typed["trust"] = "account"
    async with opened() as service:
        return await asked(service, name, document, **typed)
