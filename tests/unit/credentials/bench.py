"""A session cache with everything around it under the test's hand, and the errors that STS may give."""

from __future__ import annotations

from config.errors import IdentityError, RoleDeniedError, StsUnavailableError
from config.limits import Limits
from credentials.events import Event, SessionServed
from credentials.sessions import SessionCache
from tests.fakes.clock import ManualClock
from tests.unit.credentials.fake_sts import FakeSts

DOWN = StsUnavailableError("down", code="ServiceUnavailable")
DENIED = RoleDeniedError("denied", code="AccessDenied")
OURS = IdentityError("ours", code="ExpiredToken")


class Bench:
    """A cache with everything around it."""

    def __init__(self, *, limits: Limits | None = None, random: float = 0.0) -> None:
        self.clock = ManualClock()
        self.sts = FakeSts(self.clock)
        self.events: list[Event] = []
        self.cache = SessionCache(
            sts=self.sts,
            limits=limits or Limits(),
            clock=self.clock,
            observe=self.events.append,
            random=lambda: random,
        )

    @property
    def how(self) -> list[str]:
        return [event.how for event in self.events if isinstance(event, SessionServed)]
