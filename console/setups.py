"""Hides where the parts of a set-up come from: an existing connection, what was typed, the operator's settings, STS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from config.errors import ConnectionSetupError, CredentialError, JobError, UnknownConnectionError
from console.commands.common import actor
from credentials.arns import partition_of
from credentials.kinds import BucketSpec, DefaultSpec, KeysSpec, RoleSpec
from credentials.places import parse_place, place_text
from credentials.policies.setup import Setup
from ingest.copy_place import CopyPlace, target_of

if TYPE_CHECKING:
    from credentials.connection import Connection
    from credentials.grants import Grant
    from credentials.roles import Role
    from worker.service import Service

Document = Literal["access", "trust", "bucket", "kms", "cors", "cloudformation", "terraform", "commands"]
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_OF_ROLES: Final = ("trust", "cloudformation", "terraform")
"""What only a customer's role has."""
_OF_KEYS: Final = ("access", "cors")
"""What a user with an access key needs of ours."""
_NAMES_US: Final = ("trust", "cloudformation", "terraform", "commands")
_PLACES: Final = ("output", "copy_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a document is made of, and what whoever reads it should know."""

    setup: Setup
    connection: Connection | None
    """None: it is to come."""
    kept: Role | None
    """The kept role that the name was said to mean, where there is one."""
    notes: tuple[str, ...]

    @property
    def kind(self) -> Literal["default", "aws_keys", "aws_role"]:
        if self.connection is not None and isinstance(self.connection.spec, DefaultSpec):
            return "default"
        keys = self.connection is not None and isinstance(self.connection.spec, KeysSpec)
        return "aws_keys" if keys else "aws_role"


async def asked(
    service: Service,
    name: str,
    document: Document,
    *,
    kept_role: bool = False,
    no_external_id: bool = False,
    **typed: Any,
) -> Asked:
    """The set-up of a connection that exists, or of one to come; what was typed goes before what the connection says.

    Raises ConnectionSetupError where the kind of connection has no such document, and CredentialError when nobody knows who we are.
    """
    connection = None if kept_role else await _existing(service, name)
    fields = _of_connection(connection, document, service.settings.reader_role) if connection is not None else {}
    notes: list[str] = []
    given = _as_typed(typed)
    fields |= given | _copies(service, name, connection, given.get("copy_to"), notes)
    kept = await _kept(service, name) if document == "trust" else None
    if kept is not None and kept_role and kept.workspace != service.settings.workspace:
        raise ConnectionSetupError(
            f"role {name!r} belongs to workspace {kept.workspace!r}, which alone deals with its customer; ask there"
        )
    if kept is not None and connection is None and not kept_role:
        notes.append(
            f"note: there is a kept role {name}, and this is not for it: `longshore policy trust {name} --kept-role` prints its trust policy"
        )
    if connection is not None and not connection.open_to_view and document in _NAMES_US:
        raise ConnectionSetupError(
            f"connection {name!r} uses a role of workspace {connection.role_owner!r}, which alone deals with its customer; ask there"
        )
    if connection is not None:
        notes += _not_permitted(connection, given.get("grants", ()))
    if document in _NAMES_US or fields.get("method") == "bucket":
        fields["principal_arn"] = await _principal(service, fields, notes)
    if fields.get("method") == "bucket":
        if service.settings.reader_role is not None and document != "access":
            fields["workspace_tag"] = await service.external_ids.issue(name, actor=actor())
        elif document != "access":
            notes.append(
                "warning: no LONGSHORE_READER_ROLE is set, so this lets our role in whichever workspace asks; with one, each workspace is "
                "told apart by a tag"
            )
    elif document in _NAMES_US and not _built_in(connection):
        fields["external_id"] = await _external_id(
            service, name, connection, notes, kept=kept if kept_role else None, kept_role=kept_role, none=no_external_id
        )
    partition = _partition(fields, service)
    setup = Setup(connection=name, workspace=service.settings.workspace, partition=partition, **fields)
    return Asked(setup=setup, connection=connection, kept=kept if kept_role else None, notes=tuple(notes))


async def _existing(service: Service, name: str) -> Connection | None:
    if _NAME.fullmatch(name) is None:
        raise ConnectionSetupError(
            "a connection's name has 1 to 63 lower-case letters, digits, - and _, and begins with a letter or a digit"
        )
    try:
        found = await service.registry.get(name, workspace=service.settings.workspace)
    except UnknownConnectionError:
        return None
    if not found.own:
        raise ConnectionSetupError(
            f"connection {name!r} belongs to workspace {found.owner!r}, which alone deals with its customer; ask there"
        )
    return found


async def _kept(service: Service, name: str) -> Role | None:
    try:
        return (await service.roles.get(name))[0]
    except UnknownConnectionError:
        return None


def _built_in(connection: Connection | None) -> bool:
    return connection is not None and isinstance(connection.spec, DefaultSpec)


def _not_permitted(connection: Connection, grants: tuple[Grant, ...]) -> list[str]:
    outside = [
        place_text(grant)
        for grant in grants
        if connection.reach(grant.bucket, grant.prefix.encode()) is None and not _built_in(connection)
    ]
    if not outside:
        return []
    note = (
        f"note: connection {connection.name} does not permit {', '.join(outside)} so far: `longshore connections update "
        f"{connection.name} --allow ...`, with all of its places, changes that"
    )
    return [note]


def _of_connection(connection: Connection, document: Document, reader_role: str | None) -> dict[str, Any]:
    spec = connection.spec
    if not isinstance(spec, BucketSpec):
        raise ConnectionSetupError(
            f"connection {connection.name!r} is for an HTTPS server: AWS has no part in it, so there is no policy to write"
        )
    if isinstance(spec, DefaultSpec) and document in _OF_ROLES:
        if document == "trust" and reader_role is not None:
            return {"role_arn": reader_role, "role_name": reader_role.rpartition("/")[2]}
        raise ConnectionSetupError(
            f"the built-in connection reads with our own identity and needs no role of the customer's: see `longshore policy bucket "
            f"{connection.name} --allow s3://bucket`; a reader role of ours has a trust policy, once LONGSHORE_READER_ROLE names it"
        )
    if isinstance(spec, KeysSpec) and document not in _OF_KEYS:
        raise ConnectionSetupError(
            f"connection {connection.name!r} reads with a user's access key: what that user must be allowed shows "
            f"`longshore policy access {connection.name}`"
        )
    fields: dict[str, Any] = {
        "grants": spec.allow,
        "versions": spec.versions,
        "tags": spec.tags,
        "kms_keys": spec.kms_keys,
        "output": spec.output,
        "output_kms_key": spec.kms_key_arn,
    }
    if isinstance(spec, RoleSpec):
        named = spec.role_arn.rpartition("/")[2]
        fields |= {
            "scope": spec.scope,
            "role_arn": spec.role_arn,
            "role_name": named,
            "session_tags": spec.session_tags,
        }
    return fields | ({"method": "bucket"} if isinstance(spec, DefaultSpec) else {})


def _as_typed(typed: dict[str, Any]) -> dict[str, Any]:
    """Without what was not typed; places are read. Raises ConnectionSetupError."""
    given = {name: value for name, value in typed.items() if value not in (None, (), False)}
    try:
        if "allow" in given:
            given["grants"] = tuple(parse_place(place) for place in given.pop("allow"))
        given |= {name: parse_place(given[name]) for name in _PLACES if name in given}
    except ValueError as error:
        raise ConnectionSetupError(f"a place can't be used: {error}") from None
    return given


def _copies(
    service: Service, name: str, connection: Connection | None, typed: Grant | None, notes: list[str]
) -> dict[str, Grant]:
    """Where copies land that jobs of this connection make there, as far as the operator allows them; those of any workspace, where all
    of the organisation use its role. Each session is narrowed to the place of its own.
    """
    if typed is None:
        return {}
    settings, copy_to = service.settings, f"s3://{typed.bucket}/{typed.prefix}"
    try:
        target = target_of(copy_to, settings.copy_targets)
        place = CopyPlace.of(
            copy_to, targets=settings.copy_targets, workspace=settings.workspace, connection=name
        ).grant
    except JobError as error:
        notes.append(f"note: no job copies there so far. {error.message}")
        return {}
    shared = connection is not None and connection.spec.audience == "organisation"
    return {"copy_to": parse_place(target) if shared else place}


async def _principal(service: Service, fields: dict[str, Any], notes: list[str]) -> str:
    settings = service.settings
    if fields.get("method") == "bucket" and settings.reader_role is not None:
        return settings.reader_role
    try:
        found = await service.principal()
    except CredentialError as error:
        raise type(error)(
            f"{error.message}; policies name our role, so either let AWS know us, or set LONGSHORE_PRINCIPAL_ARN to its ARN",
            **error.fields,
        ) from error
    if settings.principal_arn is None:
        role = ":role/" in found
        path, which = (
            (", without a role's path", ", or LONGSHORE_PRINCIPAL_ARN say which role is meant") if role else ("", "")
        )
        notes.append(f"note: {found} is who AWS says we are now{path}: workers must run as the same{which}")
    return found


async def _external_id(
    service: Service,
    name: str,
    connection: Connection | None,
    notes: list[str],
    *,
    kept: Role | None,
    kept_role: bool,
    none: bool,
) -> str | None:
    """The connection's own; else the one that is issued for it, now if need be."""
    if none:
        notes.append(
            "warning: this lets our role in without an external ID, so whoever may use this service and knows the role's ARN gets in"
        )
        return None
    spec = connection.spec if connection is not None else None
    if kept is not None and kept.external_id is not None:
        return kept.external_id
    if not isinstance(spec, RoleSpec):
        what = "role" if kept_role else "connection"
        return await service.external_ids.issue(name, actor=actor(), what=what)
    if spec.external_id is not None:
        return spec.external_id
    if spec.role is not None:
        issued = await service.external_ids.issue(spec.role, actor=actor(), what="role")
        mend = f"longshore roles update {spec.role} --external-id {issued}"
    else:
        issued = await service.external_ids.issue(name, actor=actor())
        mend = f"longshore connections update {name} --external-id {issued}"
    notes.append(f"note: connection {name} says no external ID so far; once the role asks for this one: {mend}")
    return issued


def _partition(fields: dict[str, Any], service: Service) -> str:
    for arn in (
        fields.get("role_arn"),
        fields.get("principal_arn"),
        service.settings.principal_arn,
        *fields.get("kms_keys", ()),
    ):
        if arn is not None:
            return partition_of(arn)
    region = service.settings.region or ""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
