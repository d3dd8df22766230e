"""An HTTPS server, tried: its address, its TLS, whether it takes the credentials, and whether it asks for any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.errors import AccessDeniedError, LongshoreError, ObjectMissingError
from credentials.kinds import BasicSpec, BearerSpec
from credentials.web import login
from ingest.check.causes import plainly, told
from ingest.check.report import Reason, Step, Taken, failed, passed, untried, warned
from ingest.https import Credentials, Fetched, Fetcher, nobody
from ingest.s3.errors import shown

ADDRESS: Final = "address and TLS"
WITH: Final = "with credentials"
WITHOUT: Final = "without credentials"
_NEVER_ASKED: Final = frozenset({"AddressInvalid", "AddressDenied", "CertificateInvalid", "Unreachable", "NotHttp"})
"""What goes wrong before the server has answered."""

_WHY: Final[Mapping[str, str]] = {
    "AddressInvalid": "the address can't be used: see what it says",
    "Forbidden": "perhaps the credentials are taken, and may not read this path: have the server's owner permit it to the user or token; "
    "perhaps the server refuses wrong credentials in the same way, or this service's network",
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
    found: Taken
    """Gets each step when it has been taken."""

    async def run(self) -> None:
        url = self.spec.test_location or self.spec.allow[0]
        self.found.begin(WITH, url)
        read, error = await self._get(url, self._credentials())
        if error is not None and _is_unreached(error):
            why = "the server was not reached"
            first = failed(ADDRESS, told(error), *_reasons(error), about=url)
            self.found.extend((first, untried(WITH, why, about=url), untried(WITHOUT, why, about=url)))
            return
        reached = passed(ADDRESS, "a permitted address answers over TLS, its certificate is good", about=url)
        with_them = self._with(url, read, error)
        self.found.extend((reached, with_them))
        self.found.begin(WITHOUT, url)
        if with_them.outcome == "failed" and not _is_forbidden(error):
            self.found.append(untried(WITHOUT, "nothing was read with the credentials", about=url))
            return
        alone, refusal = await self._get(url, nobody)
        if read is not None and alone is not None and _is_one_page(read, alone, url):
            self.found[-1] = _logging_in(url, read)
        self.found.append(_without(url, alone, refusal, both_refused=with_them.outcome == "failed"))

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
        seen = f"read ({found.status})"
        if found.redirects and _origin(found.url) != _origin(url):
            seen += f" from {_origin(found.url)}, to which it redirects; credentials were not sent there"
        coding = found.headers.get("content-encoding", "")
        if coding.strip().lower() not in ("", "identity"):
            why = (
                "bytes and sizes of objects would be those of the packed form, which runs do not unpack: have the server send objects as "
                "they are to whoever asks for `Accept-Encoding: identity`"
            )
            seen += f", packed with {shown(coding.encode(errors='backslashreplace'))} though it was asked not to be"
            return warned(WITH, seen, Reason(why=why), about=url)
        return passed(WITH, seen, about=url)

    async def _get(self, url: str, credentials: Credentials) -> tuple[Fetched | None, LongshoreError | None]:
        """With the first byte of the body, if it has any."""
        try:
            async with self.fetcher.fetch(url, credentials=credentials, first=0, last=0) as fetched:
                if fetched.size != 0:
                    await fetched.body.all(most=1)
                return fetched, None
        except LongshoreError as error:
            return None, error

    def _credentials(self) -> Credentials:
        """For its places alone. What a redirect leads to besides, as to a page to log in at, is looked at as anybody may."""
        headers = login(self.spec, self.secret)
        return lambda address: headers if self.spec.follows(address) else {}


def _without(url: str, found: Fetched | None, error: LongshoreError | None, *, both_refused: bool) -> Step:
    if found is not None:
        why = "whoever knows the address reads it: have the server ask for credentials, if that is not meant"
        return warned(WITHOUT, f"read ({found.status}), too", Reason(why=why), about=url)
    assert error is not None
    if isinstance(error, AccessDeniedError):
        if both_refused:
            return untried(WITHOUT, f"refused, too ({error.fields.get('status')}), so that proves nothing", about=url)
        return passed(WITHOUT, "refused, as it should be", about=url)
    return untried(WITHOUT, told(error), about=url)


def _is_one_page(read: Fetched, alone: Fetched, url: str) -> bool:
    """Both were led to it, from elsewhere."""
    return bool(read.redirects and alone.redirects) and _page(read) == _page(alone) != _page_of(url)


def _logging_in(url: str, found: Fetched) -> Step:
    """Whoever asks is led to the same page."""
    why = (
        "that is a page to log in, which has no credentials of this kind: find the address at which the server takes them; or it is an "
        "object that everybody may read"
    )
    seen = f"read ({found.status}), but with and without credentials it redirects to {_page(found)}, so that proves nothing of them"
    return warned(WITH, seen, Reason(why=why, target="connection"), about=url)


def _is_unreached(error: LongshoreError) -> bool:
    """It went wrong before the server itself, and not one to which it redirects, had answered."""
    if error.fields.get("redirected"):
        return False
    return error.code in _NEVER_ASKED or bool(error.fields.get("dialling"))


def _is_forbidden(error: LongshoreError | None) -> bool:
    return error is not None and error.code == "Forbidden"


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _reasons(error: LongshoreError) -> tuple[Reason, ...]:
    if (why := _WHY.get(error.code)) is not None:
        return (Reason(why=why, target="connection"),)
    return plainly(error)


def _page(found: Fetched) -> str:
    return _page_of(found.url)


def _page_of(url: str) -> str:
    """Without its query, which may hold a signature."""
    return url.partition("?")[0]
