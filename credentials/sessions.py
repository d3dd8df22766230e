"""Hides STS behind a cache: one session per spec, renewed ahead of its end, and asked for once however many wait.

Everything is measured on the monotonic clock, from before STS is asked: a session is given up a little early, never late.
"""

from __future__ import annotations

import asyncio
import random as _random
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Literal

from config.errors import CredentialError, IdentityError, SessionRefusedError, StsUnavailableError
from config.limits import Limits
from credentials.assume import Sts
from credentials.clock import Clock
from credentials.events import Observe, SessionRefreshed, SessionServed, ignore
from credentials.issue import Held, Issuer, SessionSpec, session_name
from credentials.session import Access, Session
from credentials.windows import Random, doubling_s, longest_promise_s, mandatory_s, rest_while_served_s

__all__ = ["SessionCache", "SessionSpec", "session_name"]

How = Literal["hit", "miss", "stale", "refused"]


@dataclass(slots=True, kw_only=True)
class _Slot:
    """What is known of one spec. Times on the monotonic clock."""

    spec: SessionSpec
    held: Held | None = None
    flight: asyncio.Task[None] | None = None
    """The one question to STS that is under way."""
    waiters: int = 0
    error: CredentialError | None = None
    """Why the last question failed; None after an answer."""
    rest_until: float = float("-inf")
    """No question before this."""
    failures: int = 0
    """In a row, with nothing left to serve."""
    rejections: int = 0
    """In a row, each soon after its session was given out."""
    rejected_id: str | None = None
    renewed_at: float = float("-inf")


class SessionCache:
    """The sessions of one process. Everything runs on one event loop; questions to STS are tasks that `aclose` ends.

    Past the advisory mark one task renews in the background and nobody waits. Past the mandatory mark, or with nothing held,
    callers wait for one shared answer, and a caller that is cancelled takes nothing from the others. While STS is down the
    session serves on to its end, with rests between the questions. A refusal ends it at once, and is remembered.
    """

    def __init__(
        self, *, sts: Sts, limits: Limits, clock: Clock, observe: Observe = ignore, random: Random = _random.random
    ) -> None:
        self._issuer = Issuer(sts=sts, clock=clock, random=random)
        self._limits = limits
        self._clock = clock
        self._observe = observe
        self._random = random
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._closed = False

    async def get(self, spec: SessionSpec, *, min_remaining_s: float = 0.0) -> Session:
        """A session that stays usable for more than `min_remaining_s` seconds.

        Raises SessionRefusedError when no session of this TTL can promise that; else what STS answered: RoleDeniedError,
        SessionRefusedError, IdentityError, StsUnavailableError.
        """
        _check_promise(spec, min_remaining_s)
        waited = False
        while True:
            slot = self._slot(spec)
            now = self._clock.monotonic()
            held = slot.held
            answered = waited and slot.error is None
            resting = self._closed or now < slot.rest_until or (waited and not answered)
            if held and held.life.end - now > min_remaining_s and (now < held.life.must_at or answered):
                if now >= held.life.refresh_at and slot.flight is None and not resting:
                    self._ask(slot)
                return self._serve(slot, held, now, "miss" if waited else _how(slot, held, now))
            if slot.flight is None:
                if resting:
                    return self._make_do(slot, now, min_remaining_s)
                self._ask(slot)
            await self._wait(slot)
            waited = True

    async def reject(self, spec: SessionSpec, access_key_id: str) -> None:
        """The storage refused this key: drop it, if it is still the one held. A late complaint about an older one is nothing.

        The next `get` asks STS; when fresh sessions are rejected one after the other, after a rest.
        """
        slot = self._slots.get(spec.key)
        if slot is None or slot.held is None or slot.held.session.access_key_id != access_key_id:
            return
        now = self._clock.monotonic()
        young = now - slot.held.life.start < self._limits.sts_negative_most_s
        slot.rejections = slot.rejections + 1 if young else 1
        slot.rejected_id = access_key_id
        slot.held = None
        slot.error = None
        slot.rest_until = now
        if slot.rejections > 1:
            slot.rest_until += self._doubling(slot.rejections - 1)
            slot.error = StsUnavailableError(
                f"the storage rejects each fresh session of {spec.role_arn}: {slot.rejections} in a row; "
                "check this machine's clock, and whether the bucket's endpoint is AWS's",
                code="SessionsRejected",
            )

    async def renew(self, spec: SessionSpec) -> None:
        """Let the next `get` ask STS anew. The session held is not to blame: it serves on if STS can't answer.

        At most once in a mandatory window, so that no caller can make it storm.
        """
        slot = self._slots.get(spec.key)
        now = self._clock.monotonic()
        if slot is None or slot.held is None or now - slot.renewed_at < mandatory_s(spec.ttl_s):
            return
        slot.renewed_at = now
        slot.held = replace(slot.held, life=replace(slot.held.life, must_at=now))
        if slot.error is None:
            slot.rest_until = now

    def access(self, spec: SessionSpec) -> Access:
        """This cache as the access of one spec."""
        return _SpecAccess(self, spec)

    async def aclose(self) -> None:
        """End the questions under way; whoever waits for one gets StsUnavailableError, and so does who comes later."""
        self._closed = True
        flights = [slot.flight for slot in self._slots.values() if slot.flight]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _slot(self, spec: SessionSpec) -> _Slot:
        """The spec's slot, now the most recently used. The least recently used one that nobody waits for gives way."""
        slot = self._slots.get(spec.key)
        if slot is not None:
            self._slots.move_to_end(spec.key)
            return slot
        if len(self._slots) >= self._limits.sessions:
            idle = next((key for key, old in self._slots.items() if old.flight is None and not old.waiters), None)
            if idle is not None:
                del self._slots[idle]
        slot = self._slots[spec.key] = _Slot(spec=spec)
        return slot

    def _ask(self, slot: _Slot) -> None:
        slot.flight = asyncio.create_task(self._fly(slot), name="longshore-session")

    async def _wait(self, slot: _Slot) -> None:
        """Until the question is answered. `asyncio.wait` leaves it running when this waiter, even the first, is cancelled."""
        flight = slot.flight
        assert flight is not None
        slot.waiters += 1
        try:
            await asyncio.wait({flight})
        finally:
            slot.waiters -= 1
            if flight.done() and slot.flight is flight:
                slot.flight = None  # cancelled before its first step, so it could not say so itself

    async def _fly(self, slot: _Slot) -> None:
        """Ask STS once and write down what came of it; it raises nothing, so no answer is lost with its waiters."""
        started = self._clock.monotonic()
        outcome = "cancelled"
        try:
            held = await self._issuer.issue(slot.spec)
            if held.session.access_key_id == slot.rejected_id:
                raise StsUnavailableError("STS gave the very session that the storage rejected", code="SameSession")  # noqa: TRY301 - to be treated as STS's own failure
        except CredentialError as error:
            outcome = error.code
            self._failed(slot, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the waiters must hear of it, and not all ask again at once
            outcome = type(error).__name__
            unexpected = StsUnavailableError(f"asking STS failed in an unexpected way: {outcome}", code=outcome)
            unexpected.__cause__ = error
            self._failed(slot, unexpected)
        else:
            outcome = "ok"
            self._renewed(slot, held)
        finally:
            slot.flight = None
            seconds = self._clock.monotonic() - started
            spec = slot.spec
            self._observe(
                SessionRefreshed(
                    connection=spec.connection, session_name=spec.session_name, outcome=outcome, seconds=seconds
                )
            )

    def _renewed(self, slot: _Slot, held: Held) -> None:
        if slot.held is not None:  # the one before was not rejected
            slot.rejections = 0
        slot.held = held
        slot.error = None
        slot.failures = 0
        slot.rest_until = held.life.start + held.life.end - held.life.must_at

    def _failed(self, slot: _Slot, error: CredentialError) -> None:
        now = self._clock.monotonic()
        slot.error = error
        if not error.transient and not isinstance(error, IdentityError):
            slot.held = None  # revoked; trouble with our own identity says nothing about the customer's role
        if slot.held is not None and now < slot.held.life.end:
            slot.rest_until = now + rest_while_served_s(slot.held.life.end - now, self._random)
            return
        slot.failures += 1
        rest = self._doubling(slot.failures)
        slot.rest_until = now + (rest * (0.5 + 0.5 * self._random()) if error.transient else rest)

    def _doubling(self, failures: int) -> float:
        return doubling_s(failures, first=self._limits.sts_negative_s, most=self._limits.sts_negative_most_s)

    def _make_do(self, slot: _Slot, now: float, min_remaining_s: float) -> Session:
        """STS must not be asked now: what is held, while it lives; else the reason."""
        held = slot.held
        left = held.life.end - now if held else 0.0
        if held and left > min_remaining_s:
            return self._serve(slot, held, now, _how(slot, held, now))
        self._observe(SessionServed(connection=slot.spec.connection, how="refused", usable_s=max(0.0, left)))
        if slot.error is not None:
            raise _once_more(slot.error, slot.spec) from slot.error
        if self._closed:
            raise StsUnavailableError("the session cache is closed: this process is stopping", code="Closed")
        raise SessionRefusedError(
            f"connection {slot.spec.connection!r}: a session that stays usable for {min_remaining_s:.0f} s was asked for, "
            f"but a fresh one has {left:.0f} s left; ask for less",
            code="SessionTooShort",
        )

    def _serve(self, slot: _Slot, held: Held, now: float, how: How) -> Session:
        left = held.life.end - now
        usable_until = self._clock.now() + left
        if held.session.usable_until is None or abs(held.session.usable_until - usable_until) > 1:
            # The wall clock jumped, and users of the session measure by it.
            held = slot.held = replace(held, session=replace(held.session, usable_until=usable_until))
        self._observe(SessionServed(connection=slot.spec.connection, how=how, usable_s=left))
        return held.session


class _SpecAccess:
    def __init__(self, cache: SessionCache, spec: SessionSpec) -> None:
        self._cache = cache
        self._spec = spec

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        return await self._cache.get(self._spec, min_remaining_s=min_remaining_s)

    async def reject(self, access_key_id: str) -> None:
        await self._cache.reject(self._spec, access_key_id)

    async def renew(self) -> None:
        await self._cache.renew(self._spec)


def _how(slot: _Slot, held: Held, now: float) -> How:
    return "stale" if slot.error is not None and now >= held.life.refresh_at else "hit"


def _check_promise(spec: SessionSpec, min_remaining_s: float) -> None:
    most = longest_promise_s(spec.ttl_s)
    if min_remaining_s > most:
        longer = ", or raise the TTL (3600 s at most)" if spec.ttl_s < 3600 else ""
        raise SessionRefusedError(
            f"connection {spec.connection!r}: a session that stays usable for {min_remaining_s:.0f} s was asked for, but its "
            f"session TTL of {spec.ttl_s} s allows {most:.0f} s at most; ask for less{longer}",
            code="SessionTooShort",
        )


def _once_more(error: CredentialError, spec: SessionSpec) -> CredentialError:
    """The same error as an object of its own: one that many callers raise would gather all their tracebacks."""
    fields = error.fields | {"connection": spec.connection}
    return type(error)(f"connection {spec.connection!r}: {error.message}", **fields)
