"""Objects that a job names one by one: hides how their URIs are read, and that each bucket or server is one source of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from config.origins import well_formed
from ingest.model import Range

_SECRETS: Final = frozenset(
    (
        "authorization",
        "bearer",
        "hdnea",
        "hdnts",
        "hmac",
        "jwt",
        "keypairid",
        "pass",
        "passwd",
        "pwd",
        "sas",
        "sessionid",
        "sig",
        "token",
    )
)
_ENDINGS: Final = (
    *(
        "accesskey",
        "accesstoken",
        "apikey",
        "authkey",
        "authtoken",
        "clientsecret",
        "idtoken",
        "jsessionid",
        "oauthtoken",
        "password",
    ),
    *("privatetoken", "refreshtoken", "secret", "secretkey", "securitytoken", "signature"),
)
"""Parameters by which whoever has an address may read the object, and how the names of others end: their letters in lower case."""
_SIGNED: Final = ("x-amz-", "x-goog-")
"""What the names of others begin with, by which a cloud signs."""
_TAIL: Final = re.compile("[?#;]")
_BETWEEN: Final = re.compile("[&;]")
"""Parameters: some servers read a semicolon so, too."""
_NO_LETTER: Final = re.compile("[^a-z]")


@dataclass(frozen=True, slots=True)
class Named:
    """The objects of one bucket, or of one HTTPS server."""

    bucket: str
    """Or the server's origin, as `https://host` or `https://host:port`."""
    prefix: bytes
    """What all keys have in common."""
    keys: tuple[bytes, ...]
    """Each once, in order. Of a server: paths with their queries, as they are sent."""

    def within(self, part: Range) -> tuple[bytes, ...]:
        """Those that lie in a range."""
        first = 0 if part.lo is None else bisect_right(self.keys, part.lo)
        return self.keys[first : None if part.hi is None else bisect_right(self.keys, part.hi)]

    def around(self, keys: Iterable[bytes]) -> list[Range]:
        """Ranges that hold these of them and no others, in order; neighbours are in one."""
        found: list[Range] = []
        for key in sorted(keys):
            place = bisect_right(self.keys, key) - 1
            lo = self.keys[place - 1] if place > 0 else None
            if found and found[-1].hi == lo:
                found[-1] = Range(found[-1].lo, key)
            else:
                found.append(Range(lo, key))
        return found


def is_web(uri: str) -> bool:
    """Whether it is the address of an object on an HTTPS server."""
    return uri[:8].lower() == "https://"


def told(typed: str) -> str:
    """For an error, which is kept and shown: without what may hold a secret, a query and what stands before an @."""
    plain = _TAIL.split(typed, maxsplit=1)[0]
    scheme, separator, rest = plain.rpartition("://")
    return repr(f"{scheme}{separator}{rest.rpartition('@')[2]}"[:80])


def parse_web(uri: str) -> tuple[str, str]:
    """The origin of an address, and its path and query. Raises ValueError that says what to write."""
    address = well_formed(uri)
    for parameter in _BETWEEN.split(address.query[1:]):
        name = unquote_plus(parameter.partition("=")[0]).lower()
        letters = _NO_LETTER.sub("", name)
        if letters in _SECRETS or letters.endswith(_ENDINGS) or name.startswith(_SIGNED):
            raise ValueError(
                f"an address with {name[:40]!r} in its query is a secret, and what a job names is kept and shown: leave that out, and "
                "name a connection (of kind https_basic or https_bearer) whose credentials may read the object"
            )
    return address.origin, address.target


def grouped(objects: Iterable[tuple[str, str]]) -> list[Named]:
    """Pairs of bucket and key, as sources in the order of buckets."""
    by_bucket: defaultdict[str, set[str]] = defaultdict(set)
    for bucket, key in objects:
        by_bucket[bucket].add(key)
    return [
        Named(
            bucket,
            _common(keys).encode(),
            tuple(sorted(key.encode() for key in keys)),
        )
        for bucket, keys in sorted(by_bucket.items())
    ]


def _common(texts: Collection[str]) -> str:
    """What all of them begin with. Of bytes, it might end inside a character."""
    first, last = min(texts), max(texts)
    differ = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, len(first))]
