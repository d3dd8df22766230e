"""What tests of connections share: a registry on a new catalog, and what to put into it."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from config.database import Database, db_now, open_database
from config.settings import Settings
from credentials.registry import Registry
from credentials.tables import audit
from credentials.vault import Vault
from tests.postgres import Kind, catalog_url

ROLE = "arn:aws:iam::444455556666:role/longshore-reader"
CANARY = "CANARY+the/secret/that/nobody/may/see/01"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
KEYS = f"k1:{base64.b64encode(bytes(range(32))).decode()}"
A_ROLE = {"kind": "aws_role", "name": "acme", "role_arn": ROLE, "external_id": "ext-1", "allow": ["s3://acme"]}
A_KEY = {
    "kind": "aws_keys",
    "name": "keys",
    "access_key_id": KEY_ID,
    "secret_access_key": CANARY,
    "allow": ["s3://acme"],
}
BY_ALICE = {"workspace": "main", "actor": "alice"}


def settings_of(**fields: Any) -> Settings:
    return Settings.model_validate({"secret_keys": KEYS, "external_ids": "any"} | fields)


@asynccontextmanager
async def a_catalog(directory: Path, kind: Kind = "sqlite") -> AsyncGenerator[Database]:
    async with open_database(catalog_url(kind, directory)) as database:
        yield database


def a_registry(database: Database, settings: Settings | None = None) -> Registry:
    settings = settings or settings_of()
    return Registry(database=database, vault=Vault.from_settings(settings), settings=settings)


def long_ago(tx: sa.Connection, milliseconds: int) -> None:
    """Everything that was done so far was done that much earlier: the audit is told so behind the back of what protects it."""
    sqlite = tx.dialect.name == "sqlite"
    tx.exec_driver_sql(f"DROP TRIGGER {'audit_no_update' if sqlite else 'audit_only_grows ON audit'}")
    tx.execute(sa.update(audit).values(at=db_now() - milliseconds))
