"""Connections in the catalog: created, changed, removed, found; each change with a line in the audit. Hides where secrets are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from config.database import Database, alone, db_now
from config.errors import ConnectionRuleError, ConnectionSetupError, SettingsError, UnknownConnectionError
from config.settings import Settings
from credentials.arns import account_of
from credentials.connection import (
    Connection,
    DefaultSpec,
    KeyPair,
    KeysSpec,
    NewKeysSpec,
    RoleSpec,
    connection_id,
    parse_kept,
    parse_spec,
    refusal,
)
from credentials.grants import Grant
from credentials.places import parse_place
from credentials.tables import audit
from credentials.tables import connections as table
from credentials.vault import Vault

HOME: Final = "main"
"""The workspace that the built-in connection serves when the operator lists no buckets."""
_SECRET: Final = "secret_access_key"  # noqa: S105 - the name of a field
_FIXED: Final = {
    "name": "a connection's name can't be changed, since records are known by it",
    "kind": "a connection's kind can't be changed",
    "role_arn": "a connection's role can't be changed in place, since another role is another trust",
}
_ALREADY: Final = "workspace {workspace!r} has a connection {name!r} already; choose another name, or update that one"
_SHOWN: Final = 20
"""How many connections an error names."""
_ANEW: Final = "remove the connection and add it anew: its records stay, and find it again by its name and kind"

KeptSpec = DefaultSpec | RoleSpec | KeysSpec


class Registry:
    """The connections of every workspace. The workspace comes from who asks; nothing of another one is ever seen."""

    def __init__(self, *, database: Database, vault: Vault, settings: Settings) -> None:
        self._database, self._vault, self._settings = database, vault, settings

    async def create(self, fields: Mapping[str, Any], *, workspace: str, actor: str) -> Connection:
        """Add a connection from plain fields, or revive the removed one of the same name and kind.

        Raises ConnectionSetupError for bad fields, ConnectionRuleError for a name that is taken, SecretKeyError without a key.
        """
        try:
            spec = parse_spec(fields)
        except ConnectionSetupError as error:
            taken = await self._taken(str(fields.get("name")), workspace)
            if taken is None:
                raise
            raise refusal([*error.fields["problems"], ("name", taken)]) from None
        if isinstance(spec, DefaultSpec) or spec.name == self._settings.default_connection:
            raise ConnectionRuleError(self._reserved())
        new_id = connection_id(workspace=workspace, name=spec.name, kind=spec.kind)
        kept, sealed = self._sealed(spec, workspace, new_id)

        def create(tx: sa.Connection) -> Connection:
            alone(tx)  # of two that ask for the same name at once the second must see the first
            if _live(tx, workspace, spec.name) is not None:
                raise ConnectionRuleError(_ALREADY.format(workspace=workspace, name=spec.name))
            former = tx.execute(sa.select(table).where(table.c.id == new_id)).one_or_none()
            values = {"spec": _dump(kept), "sealed": sealed, "updated_at": db_now(), "removed_at": None}
            if former is None:
                row = {"id": new_id, "workspace": workspace, "name": spec.name, "kind": spec.kind, "version": 1}
                tx.execute(sa.insert(table).values(**row, **values, created_at=db_now()))
            else:
                revived = sa.update(table).where(table.c.id == new_id)
                tx.execute(revived.values(**values, version=table.c.version + 1))
            _note(tx, workspace, actor, "created" if former is None else "revived", kept)
            connection = _connection(_row(tx, workspace, spec.name))
            return replace(connection, notices=_notices(former, kept))

        return await self._database.transaction(create)

    async def get(self, name: str, *, workspace: str) -> Connection:
        """Raises UnknownConnectionError that says which there are, SettingsError if a kept one bears the built-in one's name."""
        if name == self._settings.default_connection:
            self._distinct(await self._database.read(lambda tx: _live(tx, workspace, name)))
            return self._built_in(workspace)
        try:
            return await self._database.read(lambda tx: _connection(_row(tx, workspace, name)))
        except UnknownConnectionError:
            raise await self._unknown(name, workspace) from None

    async def list(self, *, workspace: str) -> list[Connection]:
        """The built-in connection first, then by name. Raises SettingsError if another bears the built-in one's name."""
        query = (
            sa.select(table).where(table.c.workspace == workspace, table.c.removed_at.is_(None)).order_by(table.c.name)
        )
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        for row in rows:
            self._distinct(row)
        return [self._built_in(workspace), *(_connection(row) for row in rows)]

    async def known_ids(self, *, workspace: str) -> dict[str, str]:
        """Names by ID, of removed connections too: their records stay."""
        query = sa.select(table).where(table.c.workspace == workspace).order_by(table.c.name)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        for row in rows:
            if row.removed_at is None:
                self._distinct(row)
        built_in = self._built_in(workspace)
        return {built_in.id: built_in.name} | {row.id: row.name for row in rows}

    async def update(self, name: str, changes: Mapping[str, Any], *, workspace: str, actor: str) -> Connection:
        """Change fields. Raises ConnectionRuleError for those that can't change, ConnectionSetupError for bad ones."""
        self._not_built_in(name, "changed")
        for field in _FIXED.keys() & changes.keys():
            raise ConnectionRuleError(f"{_FIXED[field]}; {_ANEW}")
        before = await self.get(name, workspace=workspace)
        if "access_key_id" in changes and _SECRET not in changes:
            raise ConnectionRuleError("another access key has another secret: give both")
        fields = before.spec.model_dump(mode="json") | dict(changes)
        spec = parse_spec(fields) if _SECRET in changes else parse_kept(fields)
        kept, sealed = self._sealed(spec, workspace, before.id)

        def update(tx: sa.Connection) -> Connection:
            values = {"spec": _dump(kept), "updated_at": db_now(), "version": table.c.version + 1}
            changed = sa.update(table).where(
                table.c.id == before.id, table.c.version == before.version, table.c.removed_at.is_(None)
            )
            if not tx.execute(changed.values({**values, **({} if sealed is None else {"sealed": sealed})})).rowcount:
                raise ConnectionRuleError(
                    f"connection {name!r} was changed by somebody else at the same time; look at it and try again"
                )
            _note(tx, workspace, actor, "updated", kept, changed=sorted(changes))
            return _connection(_row(tx, workspace, name))

        return await self._database.transaction(update)

    async def remove(self, name: str, *, workspace: str, actor: str) -> None:
        """Leave a tombstone: the secret is gone, the records stay. Raises UnknownConnectionError or ConnectionRuleError."""
        self._not_built_in(name, "removed")

        def remove(tx: sa.Connection) -> None:
            row = _row(tx, workspace, name)
            gone = {"removed_at": db_now(), "updated_at": db_now(), "sealed": None, "version": table.c.version + 1}
            tx.execute(sa.update(table).where(table.c.id == row.id).values(gone))
            _note(tx, workspace, actor, "removed", _connection(row).spec)

        await self._database.transaction(remove)

    async def secret(self, connection: Connection) -> KeyPair:
        """Open the key of an aws_keys connection. Raises SecretKeyError, or UnknownConnectionError if it was removed meanwhile."""
        if not isinstance(connection.spec, KeysSpec):
            raise ConnectionRuleError(f"connection {connection.name!r} of kind {connection.kind} has no secret")
        row = await self._database.read(lambda tx: _row(tx, connection.workspace, connection.name))
        kept = _connection(row).spec
        if not isinstance(kept, KeysSpec):  # removed meanwhile, and another one bears its name now
            raise UnknownConnectionError(
                f"connection {connection.name!r} was removed; the one of that name now is of kind {kept.kind}"
            )
        secret = self._vault.open(row.sealed, bound_to=(connection.workspace, connection.id, _SECRET))
        return KeyPair(access_key_id=kept.access_key_id, secret_access_key=secret)

    def check_vault(self) -> None:
        """Raises SecretKeyError if no secret could be stored: to be asked before anybody types one."""
        self._vault.check()

    def _reserved(self) -> str:
        return (
            f"the name {self._settings.default_connection!r} belongs to the built-in connection, which is always there; "
            "choose another name, and the kind aws_role or aws_keys"
        )

    async def _taken(self, name: str, workspace: str) -> str | None:
        """Why a new connection can't have this name."""
        if name == self._settings.default_connection:
            return self._reserved()
        row = await self._database.read(lambda tx: _live(tx, workspace, name))
        return None if row is None else _ALREADY.format(workspace=workspace, name=name)

    def _sealed(self, spec: KeptSpec | NewKeysSpec, workspace: str, new_id: str) -> tuple[KeptSpec, str | None]:
        """The spec without its secret, and the secret sealed to its row."""
        if not isinstance(spec, NewKeysSpec):
            return spec, None
        sealed = self._vault.seal(spec.secret_access_key.get_secret_value(), bound_to=(workspace, new_id, _SECRET))
        return KeysSpec.model_validate(spec.model_dump(mode="json", exclude={_SECRET})), sealed

    def _distinct(self, row: sa.Row[Any] | None) -> None:
        """The built-in connection must not stand before a kept one: its jobs would read with our own identity instead."""
        if row is not None and row.name == self._settings.default_connection:
            raise SettingsError(
                f"LONGSHORE_DEFAULT_CONNECTION names the built-in connection {row.name!r}, but workspace {row.workspace!r} has a "
                f"connection of that name (kind {row.kind}): choose another LONGSHORE_DEFAULT_CONNECTION"
            )

    def _not_built_in(self, name: str, what: str) -> None:
        if name == self._settings.default_connection:
            raise ConnectionRuleError(f"the built-in connection {name!r} can't be {what}")

    async def _unknown(self, name: str, workspace: str) -> UnknownConnectionError:
        there = [connection.name for connection in await self.list(workspace=workspace)]
        shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
        return UnknownConnectionError(
            f"there is no connection {name!r} in workspace {workspace!r}; there are: {shown}; "
            "`longshore connections add` makes another"
        )

    def _built_in(self, workspace: str) -> Connection:
        name, buckets = self._settings.default_connection, self._settings.default_buckets
        return Connection(
            id=connection_id(workspace=workspace, name=name, kind="default"),
            workspace=workspace,
            spec=DefaultSpec(name=name, allow=_operators_places(buckets)),
            version=1,
            created_at=0,
            updated_at=0,
            anywhere=workspace == HOME and not buckets,
        )


def _operators_places(buckets: tuple[str, ...]) -> tuple[Grant, ...]:
    try:
        return tuple(parse_place(bucket if bucket.startswith("s3://") else f"s3://{bucket}") for bucket in buckets)
    except ValueError as error:
        raise SettingsError(
            f"LONGSHORE_DEFAULT_BUCKETS: {error}; write bucket names with commas between them"
        ) from None


def _live(tx: sa.Connection, workspace: str, name: str) -> sa.Row[Any] | None:
    query = sa.select(table).where(table.c.workspace == workspace, table.c.name == name, table.c.removed_at.is_(None))
    return tx.execute(query).one_or_none()


def _row(tx: sa.Connection, workspace: str, name: str) -> sa.Row[Any]:
    row = _live(tx, workspace, name)
    if row is None:
        raise UnknownConnectionError(
            f"there is no connection {name!r} in workspace {workspace!r}; `longshore connections list` shows those there are"
        )
    return row


def _connection(row: sa.Row[Any]) -> Connection:
    return Connection(
        id=row.id,
        workspace=row.workspace,
        spec=parse_kept(json.loads(row.spec)),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _dump(spec: KeptSpec) -> str:
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True)


def _notices(former: sa.Row[Any] | None, kept: KeptSpec) -> tuple[str, ...]:
    """What to say when a removed connection comes back as somebody else's."""
    if former is None or not isinstance(kept, RoleSpec):
        return ()
    before = account_of(json.loads(former.spec)["role_arn"])
    now = account_of(kept.role_arn)
    if before == now:
        return ()
    notice = (
        f"a removed connection of this name belonged to account {before}, this one to {now}; its records are still here, "
        "and the objects of both share their asset IDs where bucket and key are the same"
    )
    return (notice,)


def _note(tx: sa.Connection, workspace: str, actor: str, action: str, spec: KeptSpec, **more: Any) -> None:
    detail = json.dumps({"spec": spec.model_dump(mode="json"), **more}, sort_keys=True)
    tx.execute(
        sa.insert(audit).values(
            at=db_now(),
            workspace=workspace,
            actor=actor,
            action=action,
            object=f"connection:{spec.name}",
            detail=detail,
        )
    )
