"""Connections in the catalog: created, changed, removed, found; each change with a line in the audit. Hides where secrets are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import sqlalchemy as sa

from config.database import Database, alone, db_now
from config.errors import ConnectionRuleError, SettingsError, UnknownConnectionError
from config.settings import Settings
from credentials import audit, rows
from credentials.built_in import BuiltIn
from credentials.connection import Connection, KeyPair, connection_id, shared_id
from credentials.drafts import Draft, Drafts, notices
from credentials.kinds import SECRET_FIELDS, KeysSpec, SecretSpec, bound_to, servers_of
from credentials.rows import connection_of
from credentials.tables import connections as table
from credentials.vault import Vault

_SHOWN: Final = 20
"""How many connections an error names."""
Users = Callable[[sa.Connection, Connection], list[str]]
"""Who uses a connection: asked in the transaction that removes it."""


class Elsewhere(Protocol):
    """Reads secrets that live elsewhere; `credentials.references.References` does."""

    def parse(self, text: str, /) -> object:
        """Raises ValueError that says what to type instead, or that the operator does not allow it."""
        ...

    async def secret(self, text: str, /) -> str:
        """What the reference leads to. Raises SecretReferenceError or CredentialError."""
        ...

    def forget(self, text: str, /) -> None:
        """Read it anew the next time."""
        ...


class Nowhere:
    """For a registry that is given no other: any reference is taken, and none can be read."""

    def parse(self, text: str, /) -> object:
        return text

    async def secret(self, text: str, /) -> str:
        raise SettingsError(f"a secret is kept at {text.partition('://')[0]}://, and nothing here can read that")

    def forget(self, text: str, /) -> None:
        pass


def nobody(_tx: sa.Connection, _connection: Connection) -> list[str]:
    """For whoever has no runs."""
    return []


class Registry:
    """The connections of every workspace. The workspace comes from who asks; nothing of another one is ever seen, but for what
    that one gave to the organisation.
    """

    def __init__(
        self, *, database: Database, vault: Vault, settings: Settings, references: Elsewhere | None = None
    ) -> None:
        self._database, self._vault, self._references = database, vault, references or Nowhere()
        self._built_in = BuiltIn(settings)
        self._drafts = Drafts(vault=vault, settings=settings, check_reference=self._references.parse)

    async def create(self, fields: Mapping[str, Any], *, workspace: str, actor: str) -> Connection:
        """Add a connection from plain fields, or revive the removed one of the same name and kind.

        An aws_role without `external_id` gets the one that was issued for its name; with None it has none.
        Raises ConnectionSetupError for bad fields, ConnectionRuleError for a name that is taken, SecretKeyError without a key.
        """
        self._check_can_seal(str(fields.get("kind")), fields)

        def create(tx: sa.Connection) -> Connection:
            alone(tx)  # of two that ask for the same name at once the second must see the first
            draft = self._drafts.new(tx, fields, workspace=workspace, actor=actor, reserved=self._built_in.name)
            new_id = connection_id(workspace=workspace, name=draft.spec.name, kind=draft.spec.kind)
            former = tx.execute(sa.select(table).where(table.c.id == new_id)).one_or_none()
            values = {**_values(draft), "sealed": draft.sealed, "removed_at": None}
            if former is None:
                row = {"id": new_id, "workspace": workspace, "name": draft.spec.name, "kind": draft.spec.kind}
                now = tx.execute(sa.select(db_now())).scalar_one()
                tx.execute(sa.insert(table).values(**row, **values | {"updated_at": now}, version=1, created_at=now))
            else:
                revived = sa.update(table).where(table.c.id == new_id)
                tx.execute(revived.values(**values, version=table.c.version + 1))
            self._note(tx, workspace, actor, "created" if former is None else "revived", draft)
            connection = connection_of(rows.get(tx, workspace, draft.spec.name), workspace=workspace)
            return replace(connection, notices=notices(former, draft.spec))

        return await self._database.transaction(create)

    async def get(self, name: str, *, workspace: str) -> Connection:
        """Raises UnknownConnectionError that says which there are, SettingsError if a kept one bears the built-in one's name."""
        if name == self._built_in.name:
            row = await self._database.read(lambda tx: rows.find(tx, workspace, name))
            self._built_in.check_alone(row, workspace=workspace)
            return self._built_in.connection(workspace)
        try:
            return await self._database.read(
                lambda tx: connection_of(rows.get(tx, workspace, name), workspace=workspace)
            )
        except UnknownConnectionError:
            raise await self._unknown(name, workspace) from None

    async def list(self, *, workspace: str) -> list[Connection]:
        """The built-in connection first, then by name. Raises SettingsError if another bears the built-in one's name."""
        found = await self._database.read(lambda tx: tx.execute(rows.living(workspace)).all())
        by_name: dict[str, sa.Row[Any]] = {}
        for row in sorted(found, key=lambda row: (row.name, row.workspace != workspace)):
            self._built_in.check_alone(row, workspace=workspace)
            if row.name != self._built_in.name:
                by_name.setdefault(row.name, row)
        kept = [connection_of(row, workspace=workspace) for row in by_name.values()]
        return [self._built_in.connection(workspace), *kept]

    async def known_ids(self, *, workspace: str) -> dict[str, str]:
        """Names by ID, of removed connections too: their records stay."""
        query = rows.ever(workspace).order_by(table.c.name)
        found = await self._database.read(lambda tx: tx.execute(query).all())
        known = {self._built_in.connection(workspace).id: self._built_in.name}
        for row in found:
            if row.removed_at is None:
                self._built_in.check_alone(row, workspace=workspace)
            own = row.workspace == workspace
            known[row.id if own else shared_id(workspace=workspace, kept_id=row.id)] = row.name
        return known

    async def update(self, name: str, changes: Mapping[str, Any], *, workspace: str, actor: str) -> Connection:
        """Change fields. Raises ConnectionRuleError for those that can't change, ConnectionSetupError for bad ones."""
        self._not_built_in(name, "changed")
        before = await self._own(name, workspace)
        self._check_can_seal(before.kind, changes)

        def update(tx: sa.Connection) -> Connection:
            alone(tx)
            draft = self._drafts.changed(tx, before, changes, actor=actor)
            values = {**_values(draft), "version": table.c.version + 1}
            if draft.resealed:
                values["sealed"] = draft.sealed
            changed = sa.update(table).where(
                table.c.id == before.kept_id, table.c.version == before.version, table.c.removed_at.is_(None)
            )
            if not tx.execute(changed.values(values)).rowcount:
                raise ConnectionRuleError(
                    f"connection {name!r} was changed by somebody else at the same time; look at it and try again"
                )
            self._note(tx, workspace, actor, "updated", draft, changed=sorted(changes))
            return connection_of(rows.get(tx, workspace, name), workspace=workspace)

        return await self._database.transaction(update)

    async def users(self, connection: Connection, users: Users) -> Sequence[str]:
        """Who uses it, as `remove` would say."""
        return await self._database.read(lambda tx: users(tx, connection))

    async def remove(self, name: str, users: Users = nobody, /, *, workspace: str, actor: str) -> None:
        """Leave a tombstone: the secret is gone, the records stay.

        Raises UnknownConnectionError, or ConnectionRuleError for another workspace's, and for one in use, by whom.
        """
        self._not_built_in(name, "removed")
        await self._own(name, workspace)

        def remove(tx: sa.Connection) -> None:
            alone(tx)
            row = rows.find_own(tx, workspace, name)  # never another's of this name, should ours be gone meanwhile
            if row is None:
                raise rows.unknown(workspace, name)
            using = users(tx, connection_of(row, workspace=workspace))
            if using:
                raise ConnectionRuleError(f"connection {name!r} is in use: {'; '.join(using)}")
            gone = {"removed_at": db_now(), "updated_at": db_now(), "sealed": None, "version": table.c.version + 1}
            tx.execute(sa.update(table).where(table.c.id == row.id).values({**gone, "trust": None, "tested": None}))
            spec = rows.plain(connection_of(row, workspace=workspace).spec)
            audit.note(
                tx,
                workspace=workspace,
                actor=actor,
                action="removed",
                on=f"connection:{name}",
                detail={"spec": spec},
            )

        await self._database.transaction(remove)

    async def secret(self, connection: Connection, *, fresh: bool = False) -> str:
        """Open the secret of a connection that has one, or read it where it is kept; `fresh`: what was read before was refused.

        Raises SecretKeyError, what reading elsewhere raises, or UnknownConnectionError if it was removed meanwhile.
        """
        return (await self._opened(connection, fresh=fresh))[1]

    async def keys(self, connection: Connection, *, fresh: bool = False) -> KeyPair:
        """The access key of an aws_keys connection, as `secret` opens it."""
        spec, secret = await self._opened(connection, fresh=fresh)
        if not isinstance(spec, KeysSpec):
            raise ConnectionRuleError(f"connection {connection.name!r} of kind {connection.kind} has no access key")
        return KeyPair(access_key_id=spec.access_key_id, secret_access_key=secret)

    async def _opened(self, connection: Connection, *, fresh: bool) -> tuple[SecretSpec, str]:
        if not isinstance(connection.spec, SecretSpec):
            raise ConnectionRuleError(f"connection {connection.name!r} of kind {connection.kind} has no secret")
        row = await self._database.read(lambda tx: rows.get(tx, connection.workspace, connection.name))
        kept = connection_of(row, workspace=connection.workspace)
        if kept.kept_id != connection.kept_id or not isinstance(kept.spec, SecretSpec):
            raise UnknownConnectionError(  # removed meanwhile, and another one bears its name now
                f"connection {connection.name!r} was removed; the one of that name now is of kind {kept.kind}"
            )
        if servers_of(kept.spec) != servers_of(connection.spec):
            raise ConnectionRuleError(
                f"connection {connection.name!r} was pointed at another server meanwhile, and its secret is for that one; try again"
            )
        if kept.spec.secret_from is not None:
            if fresh:
                self._references.forget(kept.spec.secret_from)
            return kept.spec, await self._references.secret(kept.spec.secret_from)
        return kept.spec, self._vault.open(row.sealed, bound_to=bound_to(kept.owner, kept.kept_id, kept.kind))

    async def trusts(self, connection: Connection, trust: str) -> None:
        """Keep what was seen of its role: safe or open. A connection that changed meanwhile is left alone."""
        mine = sa.update(table).where(table.c.id == connection.kept_id, table.c.version == connection.version)
        kept = f"{trust}:{rows.role_digest(connection.spec.model_dump(mode='json'), workspace=connection.workspace)}"
        await self._database.transaction(lambda tx: tx.execute(mine.values(trust=kept, trust_at=db_now())))

    async def was_tested(self, connection: Connection, summary: str) -> None:
        """Keep a test's result in short (JSON). A connection that changed meanwhile is left alone."""
        mine = sa.update(table).where(table.c.id == connection.kept_id, table.c.version == connection.version)
        await self._database.transaction(lambda tx: tx.execute(mine.values(tested=summary, tested_at=db_now())))

    def check_vault(self) -> None:
        """Raises SecretKeyError if no secret could be stored: to be asked before anybody types one."""
        self._vault.check()

    def _check_can_seal(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Before a transaction: within one, an error of the settings would be taken for one of the catalog's."""
        if SECRET_FIELDS.get(kind) in fields:
            self._vault.check()

    async def _own(self, name: str, workspace: str) -> Connection:
        found = await self.get(name, workspace=workspace)
        if not found.own:
            raise ConnectionRuleError(
                f"connection {name!r} belongs to workspace {found.owner!r}, which gave it to the organisation; only that one "
                "changes or removes it"
            )
        return found

    def _note(self, tx: sa.Connection, workspace: str, actor: str, action: str, draft: Draft, **more: Any) -> None:
        detail = {"spec": rows.plain(draft.spec), **more}
        on = f"connection:{draft.spec.name}"
        audit.note(tx, workspace=workspace, actor=actor, action=action, on=on, detail=detail)

    def _not_built_in(self, name: str, what: str) -> None:
        if name == self._built_in.name:
            raise ConnectionRuleError(f"the built-in connection {name!r} can't be {what}")

    async def _unknown(self, name: str, workspace: str) -> UnknownConnectionError:
        there = [connection.name for connection in await self.list(workspace=workspace)]
        shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
        return UnknownConnectionError(
            f"there is no connection {name!r} in workspace {workspace!r}; there are: {shown}; "
            "`longshore connections add` makes another"
        )


def _values(draft: Draft) -> dict[str, Any]:
    return {
        "spec": rows.dump(draft.spec),
        "audience": draft.spec.audience,
        "role_id": draft.role_id,
        "updated_at": db_now(),
        **dict.fromkeys(("trust", "trust_at", "tested", "tested_at")),  # of what it was before
    }
