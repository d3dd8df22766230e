"""Brings a catalog to this version's form; the only file that knows how Alembic is run."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from config.errors import CatalogError


def upgrade(connection: sa.Connection, scripts: Path, *, to: str = "head") -> None:
    """Run the migrations that this catalog lacks, up to one of them or all, within the transaction under way. Raises CatalogError if it is a newer one's."""
    settings = Config()
    settings.set_main_option("script_location", str(scripts))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, to)
    except CommandError as error:
        raise CatalogError(f"the catalog was made by a newer longshore: {error}; upgrade this installation") from error
