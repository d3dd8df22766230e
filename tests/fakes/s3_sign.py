"""Checks a SigV4 signature, written from AWS's description of it and sharing no line with ingest/s3/sign.py."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.fakes.s3_wire import Request

TIME = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The claims of an Authorization header, or of a presigned URL."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: list[str]
    signature: str
    sent: str
    """When it was signed: 20261126T041500Z."""
    token: str | None
    lasts_s: int | None = None
    """Of a presigned URL: how long after `sent` it may be used."""

    @property
    def sent_at(self) -> float:
        """Unix time. Raises ValueError if it says none."""
        return datetime.strptime(self.sent, TIME).replace(tzinfo=UTC).timestamp()


def claims(request: Request) -> Signed | None:
    """None if the request carries no signature, or one that can't be read."""
    authorization = request.header("authorization")
    if authorization is None:
        return _presigned(request)
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        return None
    access_key_id, date, region, service, headers, signature = match.groups()
    return Signed(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        signed_headers=headers.split(";"),
        signature=signature,
        sent=request.header("x-amz-date") or "",
        token=request.header("x-amz-security-token"),
    )


def _presigned(request: Request) -> Signed | None:
    said = {name: value.decode("utf-8", "replace") for name, value in request.query.items()}
    scope = said.get("X-Amz-Credential", "").split("/")
    lasts = said.get("X-Amz-Expires", "")
    if said.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or len(scope) != 5 or not re.fullmatch(r"\d{1,9}", lasts):
        return None
    return Signed(
        access_key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        signed_headers=said.get("X-Amz-SignedHeaders", "").split(";"),
        signature=said.get("X-Amz-Signature", ""),
        sent=said.get("X-Amz-Date", ""),
        token=said.get("X-Amz-Security-Token"),
        lasts_s=int(lasts),
    )


def right_signature(request: Request, signed: Signed, secret: str) -> str:
    """The signature that this request should carry."""
    payload = request.header("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    if signed.lasts_s is not None:
        payload = "UNSIGNED-PAYLOAD"
    headers = "".join(
        f"{name}:{','.join(' '.join(value.split()) for known, value in request.headers if known == name)}\n"
        for name in signed.signed_headers
    )
    query = "&".join(f"{name}={value}" for name, value in sorted(request.raw_query) if name != "X-Amz-Signature")
    canonical = "\n".join([request.method, request.path, query, headers, ";".join(signed.signed_headers), payload])
    scope = f"{signed.date}/{signed.region}/{signed.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{signed.sent}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (signed.date, signed.region, signed.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def another_body(request: Request) -> bool:
    """Whether the body is not the one whose hash was signed."""
    told = request.header("x-amz-content-sha256")
    return told not in (None, "UNSIGNED-PAYLOAD", hashlib.sha256(request.body).hexdigest())


def unsigned_but_required(request: Request, signed: Signed) -> list[str]:
    """x-amz-* headers and Host must be signed: an intermediary could change them otherwise."""
    names = {name for name, _ in request.headers if name.startswith("x-amz-")} | {"host"}
    return sorted(names - set(signed.signed_headers))
