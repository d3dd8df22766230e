"""What a connection shall be, before it is written: all rules about who may ask for what. Every function is one piece of a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from config.errors import ConnectionRuleError, ConnectionSetupError
from config.origins import checked_endpoint, checked_https
from config.settings import Settings
from credentials import external_ids, ownership, roles, rows
from credentials.arns import account_of
from credentials.connection import Connection, connection_id
from credentials.kinds import (
    SECRET_FIELDS,
    BasicSpec,
    BearerSpec,
    DefaultSpec,
    KeptSpec,
    KeysSpec,
    RoleSpec,
    SealedSpec,
    SecretSpec,
    bound_to,
    parse_kept,
    parse_spec,
    refusal,
    servers_of,
)
from credentials.tables import connections as table
from credentials.vault import Vault

_FIXED: Final = {
    "name": "a connection's name can't be changed, since records are known by it",
    "kind": "a connection's kind can't be changed",
    "role_arn": "a connection's role can't be changed in place, since another role is another trust",
    "role": "a connection's role can't be changed in place, since another role is another trust",
    "scope": "a connection's scope can't be changed",
    "username": "a connection's user can't be changed, since another user is another access",
}
_ANEW: Final = "remove the connection and add it anew: its records stay, and find it again by its name and kind"
_ALREADY: Final = "workspace {workspace!r} has a connection {name!r} already; choose another name, or update that one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A connection that may be written as it stands here."""

    spec: KeptSpec
    role_id: str | None
    sealed: str | None
    """Its secret, if it brought one."""
    resealed: bool
    """Whether `sealed` takes the place of what was there."""


class Drafts:
    """Checks what is asked for against the rules of connections and the operator's settings."""

    def __init__(self, *, vault: Vault, settings: Settings, check_reference: Callable[[str], object]) -> None:
        """`check_reference` raises ValueError for a reference to a secret that may not be read."""
        self._vault, self._settings, self._check_reference = vault, settings, check_reference

    def new(self, tx: sa.Connection, fields: Mapping[str, Any], *, workspace: str, actor: str, reserved: str) -> Draft:
        """A connection to be. Raises ConnectionSetupError, ConnectionRuleError, UnknownConnectionError or SecretKeyError."""
        name = str(fields.get("name"))
        taken = self._taken(tx, fields, name, workspace, reserved)
        try:
            complete, role = self._with_role(tx, fields, workspace)
            spec = parse_spec(complete)
        except ConnectionSetupError as error:
            problems = error.fields.get("problems")
            if taken is None or problems is None:
                raise
            raise refusal([*problems, ("name", taken)]) from None
        if isinstance(spec, DefaultSpec):
            raise ConnectionRuleError(_reserved(reserved))
        if taken is not None:
            raise ConnectionRuleError(taken)
        self._check_room(tx, workspace)
        self._check_former(tx, spec, workspace)
        if isinstance(spec, RoleSpec) and role is None:
            owner = external_ids.owner_of("connection", spec.name)
            external_id = external_ids.chosen(
                tx,
                workspace,
                owner,
                spec.external_id,
                given="external_id" in fields,
                settings=self._settings,
                actor=actor,
            )
            ownership.check_first(tx, spec.role_arn, external_id, workspace=workspace)
            spec = spec.model_copy(update={"external_id": external_id})
        new_id = connection_id(workspace=workspace, name=spec.name, kind=spec.kind)
        return self._draft(spec, role, workspace, new_id)

    def changed(self, tx: sa.Connection, before: Connection, changes: Mapping[str, Any], *, actor: str) -> Draft:
        """What a connection becomes. Raises as `new` does."""
        for field in _FIXED.keys() & changes.keys():
            raise ConnectionRuleError(f"{_FIXED[field]}; {_ANEW}")
        secret_field = SECRET_FIELDS.get(before.kind, "")
        if isinstance(before.spec, SecretSpec):
            _check_secret(before.spec, changes, secret_field)
        if before.spec.audience == "organisation" and changes.get("audience", "organisation") != "organisation":
            raise ConnectionRuleError(
                f"connection {before.name!r} serves the organisation, and other workspaces have records through it; {_ANEW}"
            )
        role = _kept_role(tx, before, changes)
        brought = {} if role is None else {"role_arn": role.role_arn, "external_id": role.external_id}
        fields = before.spec.model_dump(mode="json") | dict(changes) | brought
        if secret_field in changes:
            fields.pop("secret_from", None)
        spec = parse_spec(fields) if secret_field in changes else parse_kept(fields)
        if role is not None:
            _check_audience(role, spec.audience)
        secret_given = secret_field in changes or changes.get("secret_from") is not None
        if servers_of(spec) != servers_of(before.spec) and not secret_given:
            raise ConnectionRuleError("another server is another access: give the secret for it, too")
        if spec.audience != before.spec.audience:
            self._check_shared_name(tx, spec.name)
        if isinstance(spec, RoleSpec) and role is None and "external_id" in changes:
            owner = external_ids.owner_of("connection", spec.name)
            external_ids.chosen(
                tx, before.workspace, owner, spec.external_id, given=True, settings=self._settings, actor=actor
            )
            if isinstance(before.spec, RoleSpec) and before.spec.external_id is not None:
                ownership.check_first(tx, spec.role_arn, spec.external_id, workspace=before.owner)
        return self._draft(spec, role, before.owner, before.kept_id)

    def _draft(self, spec: KeptSpec | SealedSpec, role: roles.Role | None, owner: str, kept_id: str) -> Draft:
        self._check_allowed(spec, owner)
        if isinstance(spec, RoleSpec) and role is None:  # a kept one was checked when it was added
            ownership.check_role(spec.role_arn, settings=self._settings)
            ownership.check_shared(spec.audience, spec.external_id, settings=self._settings)
        role_id = None if role is None else role.id
        if not isinstance(spec, SealedSpec):
            elsewhere = isinstance(spec, SecretSpec) and spec.secret_from is not None
            return Draft(spec=spec, role_id=role_id, sealed=None, resealed=elsewhere)
        field = SECRET_FIELDS[spec.kind]
        sealed = self._vault.seal(getattr(spec, field).get_secret_value(), bound_to=bound_to(owner, kept_id, spec.kind))
        kept = parse_kept(spec.model_dump(mode="json", exclude={field}))
        return Draft(spec=kept, role_id=role_id, sealed=sealed, resealed=True)

    def _check_allowed(self, spec: KeptSpec | SealedSpec, workspace: str) -> None:
        """What the operator must have allowed. Raises ConnectionSetupError, or ConnectionRuleError."""
        origins, opened = self._settings.origins, self._settings.opened
        problems: list[tuple[str, str]] = []
        ownership.check_audience(spec.audience, workspace=workspace, settings=self._settings)
        if isinstance(spec, SecretSpec) and spec.secret_from is not None and spec.audience == "organisation":
            problems.append(
                ("secret_from", "is read by the process that uses it, and other workspaces' have other secrets there")
            )
        if isinstance(spec, KeysSpec) and spec.endpoint is not None:
            problems += _wrong("endpoint", lambda text: checked_endpoint(text, origins, opened), spec.endpoint)
        if isinstance(spec, BasicSpec | BearerSpec):
            problems += _wrong("allow", lambda text: checked_https(text, origins, opened, prefix=True), *spec.allow)
            if spec.test_location is not None:
                problems += _wrong(
                    "test_location", lambda text: checked_https(text, origins, opened), spec.test_location
                )
        if isinstance(spec, SecretSpec) and spec.secret_from is not None:
            problems += _wrong("secret_from", self._check_reference, spec.secret_from)
        if problems:
            raise refusal(problems)

    def _with_role(
        self, tx: sa.Connection, fields: Mapping[str, Any], workspace: str
    ) -> tuple[dict[str, Any], roles.Role | None]:
        """The fields with those that a kept role brings."""
        complete = dict(fields)
        if fields.get("kind") != "aws_role" or fields.get("role") is None:
            return complete, None
        if {"role_arn", "external_id"} & fields.keys():
            raise refusal([("role", "has its own ARN and external ID: leave those out, or leave the role's name out")])
        role = roles.visible(tx, str(fields["role"]), workspace)
        _check_audience(role, str(fields.get("audience", "workspace")))
        return complete | {"role_arn": role.role_arn, "external_id": role.external_id}, role

    def _taken(
        self, tx: sa.Connection, fields: Mapping[str, Any], name: str, workspace: str, reserved: str
    ) -> str | None:
        """Why a new connection can't have this name."""
        if name == reserved:
            return _reserved(reserved)
        if rows.find_own(tx, workspace, name) is not None:
            return _ALREADY.format(workspace=workspace, name=name)
        if fields.get("audience") == "organisation":
            self._check_shared_name(tx, name)
        return None

    def _check_room(self, tx: sa.Connection, workspace: str) -> None:
        mine = sa.select(sa.func.count()).where(table.c.workspace == workspace, table.c.removed_at.is_(None))
        most = self._settings.limits.connections
        if tx.execute(mine).scalar_one() >= most:
            raise ConnectionRuleError(
                f"workspace {workspace!r} has {most} connections, and no more are allowed: remove some, or raise "
                "LONGSHORE_LIMITS__CONNECTIONS"
            )

    def _check_former(self, tx: sa.Connection, spec: KeptSpec | SealedSpec, workspace: str) -> None:
        """A removed connection that served the organisation comes back as one that does: other workspaces have records through it."""
        former = sa.select(table.c.audience).where(
            table.c.id == connection_id(workspace=workspace, name=spec.name, kind=spec.kind)
        )
        if tx.execute(former).scalar() == "organisation" != spec.audience:
            raise ConnectionRuleError(
                f"a removed connection {spec.name!r} served the organisation, and other workspaces have records through it: add it with "
                "the audience organisation, or choose another name"
            )

    def _check_shared_name(self, tx: sa.Connection, name: str) -> None:
        shared = sa.select(table.c.workspace).where(
            table.c.name == name, table.c.audience == "organisation", table.c.removed_at.is_(None)
        )
        owner = tx.execute(shared).scalar()
        if owner is not None:
            raise ConnectionRuleError(
                f"the organisation has a connection {name!r} already, of workspace {owner!r}; choose another name"
            )


def _kept_role(tx: sa.Connection, before: Connection, changes: Mapping[str, Any]) -> roles.Role | None:
    """The role that it shares with others, if it does; what that brings is changed there."""
    if not isinstance(before.spec, RoleSpec) or before.spec.role is None:
        return None
    role = roles.of(tx, before.kept_id)
    if "external_id" in changes:
        raise ConnectionRuleError(
            f"the external ID is that of role {role.name!r}; `longshore roles update {role.name}` changes it for all its connections"
        )
    return role


def _check_secret(before: SecretSpec, changes: Mapping[str, Any], secret_field: str) -> None:
    """A secret is given anew with whatever it belongs to: whoever may change a connection could send it elsewhere otherwise."""
    if secret_field in changes and changes.get("secret_from") is not None:
        raise ConnectionRuleError("a secret is kept here or elsewhere: give one of the two")
    if secret_field in changes or changes.get("secret_from") is not None:
        return
    if before.secret_from is not None and "secret_from" in changes:
        raise ConnectionRuleError("a secret that is not kept elsewhere any more is kept here: give it")
    if isinstance(before, KeysSpec) and "access_key_id" in changes:
        raise ConnectionRuleError("another access key has another secret: give both")


def _reserved(name: str) -> str:
    return (
        f"the name {name!r} belongs to the built-in connection, which is always there; choose another name, and the kind aws_role, "
        "aws_keys, https_basic or https_bearer"
    )


def _check_audience(role: roles.Role, audience: str) -> None:
    if audience == "organisation" and role.audience != "organisation":
        raise ConnectionRuleError(
            f"role {role.name!r} serves workspace {role.workspace!r} only, and this connection would serve the organisation; "
            f"`longshore roles update {role.name} --audience organisation` comes first"
        )


def notices(former: sa.Row[Any] | None, kept: KeptSpec) -> tuple[str, ...]:
    """What to say when a removed connection comes back as somebody else's."""
    if former is None or not isinstance(kept, RoleSpec):
        return ()
    arn = json.loads(former.spec).get("role_arn")
    if arn is None or account_of(arn) == account_of(kept.role_arn):
        return ()
    notice = (
        f"a removed connection of this name belonged to account {account_of(arn)}, this one to {account_of(kept.role_arn)}; its "
        "records are still here, and the objects of both share their asset IDs where bucket and key are the same"
    )
    return (notice,)


def _wrong(field: str, check: Callable[[str], object], *texts: str) -> list[tuple[str, str]]:
    problems = []
    for text in texts:
        try:
            check(text)
        except ValueError as error:
            problems.append((field, str(error)))
    return list(dict.fromkeys(problems))
