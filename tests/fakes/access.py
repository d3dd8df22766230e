"""An access that always has a session."""

from __future__ import annotations

from credentials.session import Session


class FakeAccess:
    """Hands out numbered sessions; `renewed` and `rejected` say what it was told."""

    def __init__(self) -> None:
        self.number = 0
        self.renewed = 0
        self.rejected: list[str] = []

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        return Session(access_key_id=f"AKIAFAKE{self.number:012d}", secret_access_key="secret", token="token")

    async def reject(self, access_key_id: str) -> None:
        self.rejected.append(access_key_id)
        self.number += 1

    async def renew(self) -> None:
        self.renewed += 1
        self.number += 1
