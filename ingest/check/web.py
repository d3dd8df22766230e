"""An HTTPS server, tried: its address, its TLS, whether it takes the credentials, and whether it asks for any."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from config.errors import AccessDeniedError, LongshoreError, ObjectMissingError
from config.origins import WebAddress
from credentials.kinds import BasicSpec, BearerSpec
from ingest.check.causes import plainly, told
from ingest.check.report import Reason, Step, failed, passed, untried, warned
from ingest.https import Credentials, Fetched, Fetcher, nobody

ADDRESS: Final = "address and TLS"
WITH: Final = "with credentials"
WITHOUT: Final = "without credentials"
_NEVER_ASKED: Final = frozenset(
    {"AddressInvalid", "AddressDenied", "CertificateInvalid", "Unreachable", "NotHttp", "TimedOut"}
)
"""What goes wrong before the server has answered."""

_WHY: Final[Mapping[str, str]] = {
    "AddressInvalid": "the address can't be used: see what it says",
    "Forbidden": "the credentials are taken, and may not read this path: have the server's owner permit it to the user or token",
    "NotFound": "there is nothing at this address: check the path, its upper and lower case too",
    "RedirectRefused": "the server redirects to where we may not follow: use the address at which it answers itself",
    "TooManyRedirects": "the server redirects in a circle, or without end: use the address at which it answers itself",
    "Unauthorized": "the user name, the password or the token is wrong, has ended, or is for another path: give the right one to "
    "`longshore connections update`; where the server wants another scheme (digest, a cookie), it can't be used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTest:
    """One HTTPS connection."""

    fetcher: Fetcher
    spec: BasicSpec | BearerSpec
    secret: str

    async def steps(self) -> list[Step]:
        url = self.spec.test_location or self.spec.allow[0]
        found, error = await self._get(url, self._credentials())
        if error is not None and error.code in _NEVER_ASKED:
            first = failed(ADDRESS, told(error), *_reasons(error), about=url)
            why = "the server was not reached"
            return [first, untried(WITH, why, about=url), untried(WITHOUT, why, about=url)]
        reached = passed(ADDRESS, "a permitted address answers over TLS, its certificate is good", about=url)
        with_them = self._with(url, found, error)
        if with_them.outcome == "failed":
            return [reached, with_them, untried(WITHOUT, "the credentials were not taken", about=url)]
        return [reached, with_them, await self._without(url)]

    def _with(self, url: str, found: Fetched | None, error: LongshoreError | None) -> Step:
        if isinstance(error, ObjectMissingError) and self.spec.test_location is None:
            why = "nothing need be there: set a test location, an object below the place, and the test reads that"
            return warned(
                WITH,
                f"{told(error)}, which says nothing of the credentials",
                Reason(why=why, target="connection"),
                about=url,
            )
        if found is None:
            assert error is not None
            return failed(WITH, told(error), *_reasons(error), about=url)
        if found.redirects and _origin(found.url) != _origin(url):
            seen = f"read ({found.status}) from {_origin(found.url)}, to which it redirects; credentials were not sent there"
            return passed(WITH, seen, about=url)
        return passed(WITH, f"read ({found.status})", about=url)

    async def _without(self, url: str) -> Step:
        found, error = await self._get(url, nobody)
        if found is not None:
            why = "whoever knows the address reads it: have the server ask for credentials, if that is not meant"
            return warned(WITHOUT, f"read ({found.status}), too", Reason(why=why), about=url)
        if isinstance(error, AccessDeniedError):
            return passed(WITHOUT, "refused, as it should be", about=url)
        assert error is not None
        return untried(WITHOUT, told(error), about=url)

    async def _get(self, url: str, credentials: Credentials) -> tuple[Fetched | None, LongshoreError | None]:
        try:
            async with self.fetcher.fetch(url, credentials=credentials, first=0, last=0) as fetched:
                return fetched, None
        except LongshoreError as error:
            return None, error

    def _credentials(self) -> Credentials:
        if isinstance(self.spec, BearerSpec):
            return partial(_header, f"Bearer {self.secret}")
        pair = base64.b64encode(f"{self.spec.username}:{self.secret}".encode()).decode()
        return partial(_header, f"Basic {pair}")


def _header(value: str, _address: WebAddress) -> Mapping[str, str]:
    return {"authorization": value}


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _reasons(error: LongshoreError) -> tuple[Reason, ...]:
    if (why := _WHY.get(error.code)) is not None:
        return (Reason(why=why, target="connection"),)
    return plainly(error)
