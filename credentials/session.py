"""What signs a request: a session, and the access that hands it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Signing credentials, whole and unchanging; a refresh yields a new one. Its repr shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """None for long-lived keys."""
    usable_until: float | None = None
    """Unix time in seconds after which it must not sign; None for long-lived keys."""


class Renewing(Protocol):
    """What shows who asks, whatever it shows."""

    async def renew(self) -> None:
        """Show the next request what is asked for or read anew, if this access has any to ask for; nobody is to blame."""
        ...


class Access(Renewing, Protocol):
    """One connection's way to sessions. Asked at signing time, so a long-lived client rotates by itself."""

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        """A session that stays usable for `min_remaining_s`. Raises CredentialError."""
        ...

    async def reject(self, access_key_id: str) -> None:
        """The storage refused this key as expired or unknown: never hand it out again."""
        ...
