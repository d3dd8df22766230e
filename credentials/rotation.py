"""Which key each stored secret is sealed with, and sealing them all with the first one. Hides the catalog's rows; shows no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from config.database import Database
from config.errors import SecretKeyError
from config.limits import Limits
from credentials.audit import note
from credentials.kinds import SECRET_FIELDS, bound_to
from credentials.tables import audit
from credentials.tables import connections as table
from credentials.vault import Vault, key_id_of

_SET: Final = ("created", "revived")
_SECRETS: Final = {*SECRET_FIELDS.values(), "secret_from"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSecret:
    """What may be told of a connection's secret."""

    workspace: str
    connection: str
    kind: str
    key_id: str | None
    """Of the key that it is sealed with; None if it lives elsewhere, or its record has a form that this version can't read."""
    reference: str | None
    """Where it lives instead."""
    set_at: int | None
    """Unix time in milliseconds of when somebody gave it to us; sealing it anew changes nothing. None if it lives elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOpened:
    """A secret that stays as it is, since no key that is set opens it."""

    workspace: str
    connection: str
    key_id: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What became of the secrets so far."""

    resealed: int = 0
    fine: int = 0
    """Sealed with the first key before, and opened by it."""
    changed: int = 0
    """Changed or removed by somebody else in the very moment: what they stored was left alone."""
    not_opened: tuple[NotOpened, ...] = ()

    @property
    def looked_at(self) -> int:
        return self.resealed + self.fine + self.changed + len(self.not_opened)


@dataclass(slots=True)
class _Page:
    """What one transaction did."""

    last: str | None = None
    """The ID where the next one goes on; None: that was the end."""
    resealed: int = 0
    fine: int = 0
    changed: int = 0
    not_opened: list[NotOpened] = field(default_factory=list)


class Secrets:
    """The stored secrets of a whole catalog, all workspaces: for its operator."""

    def __init__(self, *, database: Database, vault: Vault, limits: Limits) -> None:
        self._database, self._vault, self._limits = database, vault, limits

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of the keys that are set; the first one seals."""
        return self._vault.key_ids

    async def rotate(self, *, actor: str, progress: Callable[[Rotated], None]) -> Rotated:
        """Open each secret, and seal with the first key what another one sealed; `secrets_per_commit` secrets to a transaction.

        May be interrupted and repeated at any time. A connection's version stays, so runs that read through it go on.
        Raises SecretKeyError without a key, CatalogError; what was committed before stays.
        """
        self._vault.check()
        done, after = Rotated(), ""
        while True:
            page = await self._database.transaction(lambda tx, after=after: self._page(tx, after, actor))  # type: ignore[misc]  # a default argument
            done = replace(
                done,
                resealed=done.resealed + page.resealed,
                fine=done.fine + page.fine,
                changed=done.changed + page.changed,
                not_opened=(*done.not_opened, *page.not_opened),
            )
            if page.last is None:
                return done
            progress(done)
            after = page.last

    def _page(self, tx: sa.Connection, after: str, actor: str) -> _Page:
        """It may run again from its beginning, so it counts from zero."""
        query = _sealed_ones(after).limit(self._limits.secrets_per_commit)
        rows, page = tx.execute(query).all(), _Page()
        for row in rows:
            page.last = row.id
            self._look_at(tx, row, page, actor)
        if len(rows) < self._limits.secrets_per_commit:
            page.last = None
        return page

    def _look_at(self, tx: sa.Connection, row: sa.Row[Any], page: _Page, actor: str) -> None:
        """One that bears the first key's ID is opened, too: another key may have taken the place of that one under its ID."""
        its, before = bound_to(row.workspace, row.id, row.kind), key_id_of(row.sealed)
        try:
            secret = self._vault.open(row.sealed, bound_to=its)
        except SecretKeyError as error:
            page.not_opened.append(
                NotOpened(workspace=row.workspace, connection=row.name, key_id=before, why=error.message)
            )
            return
        if before == self.key_ids[0]:
            page.fine += 1
            return
        sealed = self._vault.seal(secret, bound_to=its)
        # Whoever stored a newer secret meanwhile, or removed the connection, must not get the old one back.
        same = sa.update(table).where(table.c.id == row.id, table.c.sealed == row.sealed)
        if not tx.execute(same.values(sealed=sealed)).rowcount:
            page.changed += 1
            return
        page.resealed += 1
        note(
            tx,
            workspace=row.workspace,
            actor=actor,
            action="resealed",
            on=f"connection:{row.name}",
            detail={"from": before, "to": self.key_ids[0]},
        )

    async def kept(self) -> list[KeptSecret]:
        """Every secret there is, by workspace and name."""
        found: list[KeptSecret] = []
        after = ""
        while True:
            query = _with_secrets(after).limit(self._limits.secrets_per_commit)
            rows, set_at = await self._database.read(lambda tx, query=query: _read(tx, query))  # type: ignore[misc]  # a default argument
            for row in rows:
                after, reference = row.id, json.loads(row.spec).get("secret_from")
                if row.sealed is None and reference is None:
                    continue
                found.append(
                    KeptSecret(
                        workspace=row.workspace,
                        connection=row.name,
                        kind=row.kind,
                        key_id=None if reference else key_id_of(row.sealed),
                        reference=reference,
                        set_at=None if reference else set_at.get((row.workspace, row.name), row.created_at),
                    )
                )
            if len(rows) < self._limits.secrets_per_commit:
                return sorted(found, key=lambda one: (one.workspace, one.connection))


def _sealed_ones(after: str) -> sa.Select[Any]:
    columns = (table.c.id, table.c.workspace, table.c.name, table.c.kind, table.c.sealed)
    return sa.select(*columns).where(table.c.sealed.is_not(None), table.c.id > after).order_by(table.c.id)


def _with_secrets(after: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.removed_at.is_(None), table.c.id > after).order_by(table.c.id)


def _read(tx: sa.Connection, query: sa.Select[Any]) -> tuple[list[sa.Row[Any]], dict[tuple[str, str], int]]:
    """Rows, and when their secrets were set: by workspace and name, since the audit knows connections by these."""
    rows = list(tx.execute(query).all())
    return rows, _set_at(tx, (row for row in rows if row.sealed is not None))


def _set_at(tx: sa.Connection, rows: Iterable[sa.Row[Any]]) -> dict[tuple[str, str], int]:
    objects = {(row.workspace, f"connection:{row.name}"): (row.workspace, row.name) for row in rows}
    lines = sa.select(audit.c.at, audit.c.workspace, audit.c.action, audit.c.object, audit.c.detail).where(
        audit.c.workspace.in_(sorted({workspace for workspace, _ in objects})),
        audit.c.object.in_(sorted({of for _, of in objects})),
        audit.c.action.in_((*_SET, "updated")),
    )
    found = {}
    for line in tx.execute(lines.order_by(audit.c.id)):
        at = (line.workspace, line.object)
        if at in objects and (line.action in _SET or _SECRETS & set(json.loads(line.detail).get("changed", ()))):
            found[objects[at]] = line.at
    return found
