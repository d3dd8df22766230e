"""What STS is asked and what it answers, without its client: hides whether it is AWS or a fake."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRole:
    """One request for a session (STS API Reference, AssumeRole)."""

    role_arn: str
    session_name: str
    duration_s: int
    """900..43,200; 3,600 at most where the role is assumed from another role's session."""
    external_id: str | None
    policy: str | None
    """The inline session policy, JSON."""
    source_identity: str | None
    tags: tuple[tuple[str, str], ...] = ()
    """Session tags; the role's trust policy must allow sts:TagSession."""
    region: str
    """Whose regional endpoint is asked; the session is valid in every region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """STS's answer. Its repr shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: float
    """Unix seconds by AWS's clock."""
    server_time: float | None = None
    """Unix seconds by AWS's clock, when it answered, rounded down to a second; None where the answer does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are to AWS (GetCallerIdentity)."""

    account: str
    arn: str
    user_id: str

    @property
    def role_arn(self) -> str | None:
        """The role behind an assumed role; None for users and roots. A role's path is not told, so it is missing here."""
        found = re.fullmatch(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.+", self.arn)
        return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else None


class Sts(Protocol):
    """Whoever gives out sessions. Both raise CredentialError."""

    async def assume(self, request: AssumeRole) -> Assumed: ...

    async def identity(self) -> Identity: ...
