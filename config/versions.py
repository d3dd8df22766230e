"""Which version of the catalog's form this longshore makes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def newest_migration() -> str:
    """Which one a catalog of this version is at."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
