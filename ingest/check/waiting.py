"""Policies spread slowly: what is refused is tried again until it passes, or until nobody wants to wait any longer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from config.errors import AccessDeniedError, RoleDeniedError
from credentials.clock import Clock

T = TypeVar("T")
_FIRST_S: Final = 1.0
_MOST_S: Final = 10.0


class Spreading:
    """The time that one test has for it, over all its steps."""

    def __init__(self, clock: Clock, *, wait_s: float, say: Callable[[str], None]) -> None:
        self._clock, self._say = clock, say
        self._wait_s = wait_s
        self.waited_s = 0.0

    async def through(self, attempt: Callable[[], Awaitable[T]], *, good: Callable[[T], bool] = lambda _: True) -> T:
        """What `attempt` gives once it is not refused, and is `good`; else what it gave, or raised, last.

        Only a refusal by a policy is tried again: all else does not change by waiting.
        """
        pause = _FIRST_S
        while True:
            left = self._wait_s - self.waited_s
            try:
                found = await attempt()
                if good(found) or left <= 0:
                    return found
            except (AccessDeniedError, RoleDeniedError) as error:
                if left <= 0 or not may_spread(error):
                    raise
            if not self.waited_s:
                self._say(
                    "a policy refuses; what was changed a moment ago takes up to a minute to reach all of AWS: trying again for "
                    f"{left:.0f} s"
                )
            pause = min(pause, left)
            self.waited_s += pause
            await self._clock.sleep(pause)
            pause = min(2 * pause, _MOST_S)


def may_spread(error: AccessDeniedError | RoleDeniedError) -> bool:
    """Whether it may be a policy that has not arrived everywhere."""
    return isinstance(error, RoleDeniedError) or error.code in ("AccessDenied", "ListCondition")
