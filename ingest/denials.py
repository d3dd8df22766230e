"""A storm of denials: one denied object is a record, nearly all of them are an access that was taken away."""

from __future__ import annotations

from collections import deque
from typing import Final

from config.errors import AccessDeniedError, AccessLostError, SourceError
from config.limits import Limits
from credentials.session import Renewing
from ingest.probe.looking import ObjectSource

_FEWEST = 10
"""A run that saw fewer probes than this is too short to speak of a storm."""


OF_BUCKETS: Final = (
    "a fresh session changed nothing: s3:GetObject (s3:GetObjectVersion for versions, and kms:Decrypt on the key for encrypted objects) is missing, a policy denies it, "
    "or the objects belong to another account; mend the policy and run again"
)
OF_SERVERS: Final = (
    "its secret, read anew, changed nothing: the user name, the password or the token is wrong or may not read them; give the right one to "
    "`longshore connections update` and run again"
)


class Denials:
    """Looks back on the last probes of one slice. When nearly all were denied, one of them is asked again with a fresh session; denied
    again, the run ends with a named error instead of asking a million times.
    """

    def __init__(self, *, access: Renewing, connection: str, limits: Limits, causes: str = OF_BUCKETS) -> None:
        """`causes`: what may be wrong, for people."""
        self._access, self._connection, self._limits, self._causes = access, connection, limits, causes
        self._recent: deque[bool] = deque(maxlen=limits.denied_window)
        self._denied: tuple[ObjectSource, bytes] | None = None

    async def seen(self, source: ObjectSource, key: bytes, error: SourceError | None) -> None:
        """Note how a probe ended. Raises AccessLostError."""
        denied = isinstance(error, AccessDeniedError)
        self._recent.append(denied)
        if denied:
            self._denied = source, key
            if len(self._recent) == self._limits.denied_window:
                await self._verify()

    async def ended(self) -> None:
        """Nothing more comes: a short run may have been denied throughout. Raises AccessLostError."""
        if len(self._recent) >= _FEWEST:
            await self._verify()

    async def _verify(self) -> None:
        denied = sum(self._recent)
        if self._denied is None or denied < self._limits.denied_share * len(self._recent):
            return
        looked_at = len(self._recent)
        self._recent.clear()
        await self._access.renew()
        source, key = self._denied
        try:
            await source.head(key)
        except AccessDeniedError as error:
            raise AccessLostError(
                f"{denied} of the last {looked_at} objects were denied to connection {self._connection!r}, and {self._causes}",
                code="AccessLost",
            ) from error
        except SourceError:
            return
