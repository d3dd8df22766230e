"""What S3 tells a browser about other origins: the answer to a preflight, and the headers on answers to requests that name theirs."""

from __future__ import annotations

from typing import Any

from tests.fakes.iam_conditions import like
from tests.fakes.s3_answers import error
from tests.fakes.s3_store import Bucket
from tests.fakes.s3_wire import Answer, Request

_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def preflight(bucket: Bucket, request: Request) -> Answer:
    """OPTIONS needs no signature."""
    origin, method = request.header("origin"), request.header("access-control-request-method")
    if not origin or not method:
        text = "Insufficient information. Origin request header needed."
        return error(400, "BadRequest", text)
    if not bucket.cors:
        return error(403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
    asked = request.header("access-control-request-headers") or ""
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    headers = _headers(bucket.cors, origin, method, names)
    if headers is None:
        text = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
            "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
        )
        return error(403, "AccessForbidden", text)
    return Answer(headers=headers | ({"Access-Control-Allow-Headers": ", ".join(names)} if names else {}))


def with_cors(bucket: Bucket, request: Request, answer: Answer) -> None:
    """Puts the headers on an answer to a request that came from some origin."""
    origin = request.header("origin")
    if origin and (headers := _headers(bucket.cors, origin, request.method, [])) is not None:
        answer.headers.update(headers)


def _headers(rules: list[dict[str, Any]], origin: str, method: str, names: list[str]) -> dict[str, str] | None:
    """Those of the first rule that fits, or None."""
    for rule in rules:
        origins = [pattern for pattern in rule["AllowedOrigins"] if like(pattern, origin, {})]
        allowed = [pattern.lower() for pattern in rule.get("AllowedHeaders", [])]
        fits = all(any(like(pattern, name, {}) for pattern in allowed) for name in names)
        if not origins or method not in rule["AllowedMethods"] or not fits:
            continue
        everybody = origins[0] == "*"
        headers = {
            "Access-Control-Allow-Origin": "*" if everybody else origin,
            "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
            "Vary": _VARY,
        }
        if not everybody:
            headers["Access-Control-Allow-Credentials"] = "true"
        if rule.get("ExposeHeaders"):
            headers["Access-Control-Expose-Headers"] = ", ".join(rule["ExposeHeaders"])
        if "MaxAgeSeconds" in rule:
            headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
        return headers
    return None
