"""Signature Version 4 for S3 requests, most without a body; hides canonical forms and the key that is derived per day.

Source: "Signature Calculations for the Authorization Header" (Amazon S3 API Reference). The result equals botocore's S3SigV4Auth.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from credentials.session import Session

EMPTY_BODY_SHA256 = hashlib.sha256(b"").hexdigest()
_KEYS_KEPT = 8
"""Derived keys: one per session, day and region; a refresh or midnight brings another."""


def encode_path(key: bytes) -> str:
    """A key as it stands in a path: every byte but the unreserved ones and `/` is escaped, nothing is normalised."""
    return quote(key, safe="/")


def encode_query(pairs: Iterable[tuple[str, bytes]]) -> str:
    """A query string in canonical order and form, ready to be both sent and signed."""
    return "&".join(
        f"{name}={value}" for name, value in sorted((quote(n, safe=""), quote(v, safe="")) for n, v in pairs)
    )


class Macs:
    """Derived keys that were used lately, and how the second at hand is written."""

    def __init__(self) -> None:
        self._macs: OrderedDict[tuple[str, str, str], hmac.HMAC] = OrderedDict()
        self._second, self._text = -1, ""

    def stamp(self, second: int) -> str:
        """Unix time as X-Amz-Date has it."""
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._text

    def of(self, secret: str, date: str, region: str) -> hmac.HMAC:
        """One that has the derived key. A copy, since `hmac.digest` gives up the interpreter's lock each time, and waits for it."""
        kept = self._macs.get((secret, date, region))
        if kept is None:
            key = f"AWS4{secret}".encode()
            for part in (date, region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            kept = self._macs[secret, date, region] = hmac.new(key, digestmod="sha256")
            if len(self._macs) > _KEYS_KEPT:
                self._macs.popitem(last=False)
        return kept.copy()


class Signer:
    """Signs for one client, in the headers. Keeps derived keys, not sessions."""

    def __init__(self) -> None:
        self._macs = Macs()

    def sign(
        self,
        session: Session,
        *,
        region: str,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        now: float,
        body: bytes = b"",
    ) -> dict[str, str]:
        """All headers to send: those given, spaces folded, and Host, x-amz-date, x-amz-content-sha256, the token and Authorization.

        `path` and `query` are percent-encoded as sent; `headers` have lower-case names; `now` is Unix time in seconds.
        """
        stamp = self._macs.stamp(int(now))
        signed = {name: " ".join(value.split()) for name, value in headers.items()}
        payload = hashlib.sha256(body).hexdigest() if body else EMPTY_BODY_SHA256
        signed["host"] = host
        signed["x-amz-content-sha256"] = payload
        signed["x-amz-date"] = stamp
        if session.token is not None:
            signed["x-amz-security-token"] = session.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
        scope = f"{stamp[:8]}/{region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        mac = self._macs.of(session.secret_access_key, stamp[:8], region)
        mac.update(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode())
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={session.access_key_id}/{scope}, SignedHeaders={listed}, Signature={mac.hexdigest()}"
        )
        return signed
