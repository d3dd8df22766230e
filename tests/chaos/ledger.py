"""The bucket and all that ever happened to it: which keys were there when, so that what a run may have seen is known."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from random import Random

from tests.chaos.plan import Plan
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_store import Stored

BUCKET = "chaos-bucket"
_SLACK_S = 0.005
"""The catalog's clock counts whole milliseconds."""


class Ledger:
    """Writes to the bucket, and remembers. Times are Unix seconds by this machine's clock, as the catalog's are."""

    def __init__(self, s3: FakeS3, plan: Plan) -> None:
        self._s3, self._plan, self._rng = s3, plan, Random(f"keys {plan.seed}")
        self._history: dict[bytes, list[tuple[float, bool]]] = {}
        self.births = 0
        """How often a key came that was not there."""
        self.writes = 0
        s3.create_bucket(BUCKET)
        for number in range(plan.keys):
            self.put(plan.key(self._rng, number))

    @property
    def objects(self) -> dict[bytes, Stored]:
        return self._s3.buckets[BUCKET].objects

    @property
    def known(self) -> Iterable[bytes]:
        """All keys that were ever there."""
        return self._history

    def put(self, key: bytes) -> None:
        self.writes += 1
        self.births += key not in self.objects
        kind = "GLACIER" if self._rng.random() < self._plan.archived else "STANDARD"
        body = f"{self.writes} of {key!r}".encode()
        self._s3.put(BUCKET, key, body, storage_class=kind, content_type=self._rng.choice(("image/png", "text/plain")))
        self._history.setdefault(key, []).append((time.time(), True))

    def delete(self, key: bytes) -> None:
        self._s3.delete(BUCKET, key)
        self._history[key].append((time.time(), False))

    def stir(self, count: int, share: float) -> None:
        """Add, change and delete so many; `share` of what is not added is deleted."""
        for _ in range(count):
            if self._rng.random() < 0.3:
                self.put(self._plan.key(self._rng, self._plan.keys + self._rng.randrange(200)))
            elif self.objects:
                key = self._rng.choice(self._s3.buckets[BUCKET].keys)
                (self.delete if self._rng.random() < share else self.put)(key)

    def settled_since(self, key: bytes, moment: float) -> bool:
        """Whether nothing has happened to it since then."""
        return self._history[key][-1][0] < moment - _SLACK_S

    def there(self, prefixes: Sequence[bytes], begin: float, end: float) -> tuple[int, int]:
        """How many keys below these were there throughout, and how many at any time."""
        throughout = ever = 0
        for key, events in self._history.items():
            if any(key.startswith(prefix) for prefix in prefixes):
                before = [there for moment, there in events if moment < begin - _SLACK_S]
                during = [there for moment, there in events if begin - _SLACK_S <= moment <= end + _SLACK_S]
                at_first = bool(before) and before[-1]
                throughout += at_first and all(during)
                ever += at_first or any(during)
        return throughout, ever
