"""A database that is away on command, in front of a real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from config.database import Database
from config.errors import CatalogUnavailableError

T = TypeVar("T")


class FlakyDatabase:
    """`away` says why everything fails now; `full` why writing does; `lose_commits` of the next transactions are done, and then
    their answers are lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away: str | None = None
        self.full: str | None = None
        self.lose_commits = 0
        self.attempts = 0

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        self.attempts += 1
        self._fail(self.away or self.full)
        result = await self._database.transaction(work)
        if self.lose_commits:
            self.lose_commits -= 1
            self._fail("connection reset")
        return result

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        self.attempts += 1
        self._fail(self.away)
        return await self._database.read(work)

    async def aclose(self) -> None:
        await self._database.aclose()

    def _fail(self, why: str | None) -> None:
        if why is not None:
            raise CatalogUnavailableError(why)
