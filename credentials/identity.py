"""Hides where our own AWS credentials come from: the sessions of the built-in connection."""

from __future__ import annotations

import asyncio
from typing import Protocol

from config.errors import CredentialError, IdentityError, SessionRefusedError
from config.limits import Limits
from credentials.clock import Clock
from credentials.session import Session
from credentials.windows import doubling_s

_LOOK_S = 1.0
"""How often the chain is looked through: a look costs more than to sign a request."""


class OwnKeys(Protocol):
    """Whoever knows our own credentials; AwsSts does."""

    async def own_session(self, *, fresh: bool = False) -> Session:
        """What they are now; `fresh` looks for them anew. Raises CredentialError."""
        ...


class OwnIdentity:
    """The Access of the `default` connection. Its owner closes `keys`; this holds nothing open.

    AWS's chain renews its sessions by itself. A failure is remembered like a refusal of STS, since each look through the chain may
    wait for a metadata service that is not there.
    """

    def __init__(self, *, keys: OwnKeys, limits: Limits, clock: Clock) -> None:
        self._keys = keys
        self._limits = limits
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._last: Session | None = None
        self._rejected_id: str | None = None
        self._look_anew = False
        self._error: CredentialError | None = None
        self._failures = 0
        self._rest_until = float("-inf")
        self._look_again_at = float("-inf")

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        """Our credentials of the moment. Raises IdentityError, StsUnavailableError, or SessionRefusedError if they end too soon.

        While the chain fails, those known last serve to their end.
        """
        last = self._last
        if last is not None and self._clock.monotonic() < self._look_again_at and self._left(last) > min_remaining_s:
            return last
        async with self._one_at_a_time:
            session = await self._current()
        left = self._left(session)
        if left <= min_remaining_s:
            raise SessionRefusedError(
                f"credentials that stay usable for {min_remaining_s:.0f} s were asked for, but our own end in {left:.0f} s; "
                "ask for less, or try again when they have been renewed",
                code="SessionTooShort",
            )
        return session

    async def reject(self, access_key_id: str) -> None:
        """The storage refused this key: look through the chain anew, and never hand it out again."""
        if self._last is not None and self._last.access_key_id == access_key_id:
            self._rejected_id = access_key_id
            await self.renew()

    async def renew(self) -> None:
        """Look through the chain anew at the next request."""
        self._look_anew = True
        self._look_again_at = float("-inf")

    async def _current(self) -> Session:
        if self._error is None or self._clock.monotonic() >= self._rest_until:
            try:
                return await self._look()
            except CredentialError as error:
                self._failures += 1
                self._error = error
                rest = doubling_s(
                    self._failures, first=self._limits.sts_negative_s, most=self._limits.sts_negative_most_s
                )
                self._rest_until = self._clock.monotonic() + rest
        if self._last is not None and self._last.access_key_id != self._rejected_id and self._left(self._last) > 0:
            return self._last
        # An error of its own for each caller: one that many raise would gather all their tracebacks.
        raise type(self._error)(self._error.message, **self._error.fields) from self._error

    async def _look(self) -> Session:
        fresh, self._look_anew = self._look_anew, False
        try:
            session = await self._keys.own_session(fresh=fresh)
            if session.access_key_id == self._rejected_id:
                raise IdentityError(
                    "the storage refuses our own AWS credentials, and no others are to be found: see `longshore whoami`",
                    code="OwnKeyRejected",
                )
        except CredentialError:
            self._look_anew = fresh
            raise
        self._last = session
        self._look_again_at = self._clock.monotonic() + _LOOK_S
        self._error = None
        self._failures = 0
        return session

    def _left(self, session: Session) -> float:
        """Seconds until it ends; negative afterwards, infinite for long-lived keys."""
        return float("inf") if session.usable_until is None else session.usable_until - self._clock.now()
