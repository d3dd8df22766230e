"""Signature Version 4 in the query of a URL; hides its canonical form, and what all URLs of one session and second have in common.

Source: "Authenticating Requests: Using Query Parameters" (Amazon S3 API Reference). The result equals botocore's S3SigV4QueryAuth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

from credentials.session import Session
from ingest.s3.address import Address
from ingest.s3.sign import Macs, encode_path, encode_query

LONGEST_S = 604_800
"""Seven days: S3 takes no signed URL that asks for more."""

Sign = Callable[[bytes, tuple[tuple[str, bytes], ...]], str]
"""A key and the parameters to sign with it (names in lower case), to a URL."""


class QuerySigner:
    """Signs URLs that need no header at all. Keeps derived keys, not sessions."""

    def __init__(self) -> None:
        self._macs = Macs()

    def begin(
        self,
        session: Session,
        address: Address,
        *,
        expires_s: int,
        now: float,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> Sign:
        """What signs the URLs of one bucket, all of which end `expires_s` (1 to 604,800) after the second of `now` (Unix time)."""
        stamp = self._macs.stamp(int(now))
        scope = f"{stamp[:8]}/{address.region}/s3/aws4_request"
        fixed = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{session.access_key_id}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires_s),
        }
        if session.token is not None:
            fixed["X-Amz-Security-Token"] = session.token
        fixed["X-Amz-SignedHeaders"] = "host"
        # in canonical order already, and all capital letters come before the small ones of the parameters
        head = "&".join(f"{name}={quote(value, safe='')}" for name, value in fixed.items())
        tail = f"\nhost:{address.host}\n\nhost\nUNSIGNED-PAYLOAD"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
        keyed = self._macs.of(session.secret_access_key, stamp[:8], address.region)
        origin, base = address.origin, address.base
        last: tuple[tuple[tuple[str, bytes], ...], str] = ((), head)

        def sign(key: bytes, parameters: tuple[tuple[str, bytes], ...]) -> str:
            nonlocal last
            if parameters != last[0]:  # most are as those before
                last = (parameters, f"{head}&{encode_query(parameters)}" if parameters else head)
            query = last[1]
            path = f"{base}/{encode_path(key)}"
            digest = hashlib.sha256(f"{method}\n{path}\n{query}{tail}".encode()).hexdigest()
            mac = keyed.copy()
            mac.update(f"{to_sign}{digest}".encode())
            return f"{origin}{path}?{query}&X-Amz-Signature={mac.hexdigest()}"

        return sign
