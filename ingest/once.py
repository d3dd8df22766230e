"""What is said once and not again; hides how much is remembered of what was said."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Once:
    """Of one subject: `about` gives that of another one, and all share one memory."""

    subject: tuple[Hashable, ...] = ()
    _said: OrderedDict[tuple[Hashable, ...], None] = field(default_factory=OrderedDict)

    def about(self, *subject: Hashable) -> Once:
        return Once((*self.subject, *subject), self._said)

    def first(self, what: Hashable) -> bool:
        """Whether this was not said before; it is now. What was said longest ago is forgotten."""
        key = (*self.subject, what)
        if key in self._said:
            self._said.move_to_end(key)
            return False
        self._said[key] = None
        if len(self._said) > _MOST:
            self._said.popitem(last=False)
        return True
